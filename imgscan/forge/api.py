"""The API of a forge: requests with a token -> documents of a known shape, page by page.

The token goes to the origin the user named and nowhere else: neither a link to the next page nor a redirect leads out
of it. What may be over soon is tried again, within limits; everything else becomes an error that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

from imgscan.errors import EngineError, InputError
from imgscan.escape import plain, shorten
from imgscan.forge.refusals import LimitedError, UnsureError, gave_up, refusal, wait_of
from imgscan.frozen import frozen
from imgscan.source.backoff import Backoff, Effects, TransientError
from imgscan.source.reference import is_loopback
from imgscan.source.registryhttp import Answer, Transport, host_of, origin_of

T = TypeVar("T")

MAX_PAGES: Final = 200
_MAX_BYTES: Final = 128 << 20
"""A page is a hundred comments of up to a million characters at worst."""
_MAX_ERROR_BYTES: Final = 1 << 16
_READ_BYTES: Final = 1 << 16
_SLOWEST_S: Final = 180.0
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_IDEMPOTENT: Final = frozenset({"GET", "PATCH", "PUT", "DELETE"})
_WAITING: Final = (
    "Retry-After",
    *("X-RateLimit-Remaining", "X-RateLimit-Reset"),
    *("RateLimit-Remaining", "RateLimit-Reset"),
)


@frozen
class Credential:
    """A token, the header it goes into with what stands before it, and the variable it came from, by which it is told
    of."""

    token: str = field(repr=False)
    variable: str
    header: str = "Authorization"
    scheme: str = "Bearer "


@frozen
class _Said:
    """An error in the words of GitHub (`message`) or GitLab (`message`, `error`), which may be of any shape."""

    message: object = ""
    error_description: object = ""
    error: object = ""


class Api:
    """Asks one API with one token. `close` it."""

    def __init__(
        self,
        base_url: str,
        credential: Credential,
        headers: Mapping[str, str],
        *,
        effects: Effects | None = None,
    ) -> None:
        self._base = check_base(base_url)
        self._credential = credential
        self._headers = {**headers, credential.header: f"{credential.scheme}{credential.token}"}
        self._effects = effects or Effects()
        self._transport = Transport(certs_dirs=())

    @property
    def host(self) -> str:
        """Whom we talk to, for messages."""
        return host_of(self._base)

    @property
    def variable(self) -> str:
        """Where the token came from."""
        return self._credential.variable

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def ask(self, method: str, path: str, kind: type[T], body: Mapping[str, object] | None = None) -> T:
        """One document. `path` begins with a slash; `kind` is the shape of the answer.

        Raises RefusedError, GoneError, EngineError; UnsureError where a POST may have been carried out.
        """
        return self._decoded(self._send(method, self._base + path, body)[0], kind)

    def tell(self, method: str, path: str) -> None:
        """A request whose answer says nothing. Raises as `ask`."""
        self._send(method, self._base + path, None)

    def pages(self, path: str, kind: type[list[T]]) -> Iterator[T]:
        """Every item of a list, along the links to the next page. Raises as `ask`."""
        url = self._base + path
        for _ in range(MAX_PAGES):
            data, links = self._send("GET", url, None)
            yield from self._decoded(data, kind)
            following = next_link(links)
            if not following:
                return
            url = self._inside(url, following, "continues its list")
        raise EngineError(f"{self.host} has more than {MAX_PAGES} pages of comments", cause="or its pages never end")

    def retrying(self, ask: Callable[[], T], doing: str, *, also_unsure: bool = False) -> T:
        """What `ask` gives, tried again after TransientError until patience ends in EngineError; `also_unsure` where
        `ask` finds out first what was carried out."""
        backoff = Backoff(self._effects)
        while True:
            try:
                return ask()
            except TransientError as error:
                if isinstance(error, UnsureError) and not also_unsure:
                    raise
                if not backoff.wait(error):
                    raise gave_up(self.host, plain(doing), error) from error

    def _send(self, method: str, url: str, body: Mapping[str, object] | None) -> tuple[bytes, str]:
        """Body and links of a success, after as many tries as it takes."""
        import msgspec

        data = msgspec.json.encode(body) if body is not None else None
        return self.retrying(lambda: self._exchange(method, url, data), f"{method} {urlsplit(url).path}")

    def _exchange(self, method: str, url: str, body: bytes | None) -> tuple[bytes, str]:
        try:
            answer = self._follow(method, url, body)
            if not 200 <= answer.status < 300:
                wait_s = wait_of({name: answer.header(name) for name in _WAITING}, self._effects.now())
                raise refusal(self.host, self.variable, answer.status, self._words(answer), wait_s)
            return self._read(answer, _MAX_BYTES), ", ".join(answer.lines("Link"))
        except LimitedError:
            raise
        except TransientError as error:
            if method in _IDEMPOTENT:
                raise
            raise UnsureError(error.reason, retry_after_s=error.retry_after_s) from error

    def _follow(self, method: str, url: str, body: bytes | None) -> Answer:
        headers = {**self._headers, **({"Content-Type": "application/json"} if body is not None else {})}
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._sent(method, url, headers, body)
            if answer.status not in _REDIRECTS:
                return answer
            location = answer.header("Location")
            answer.close()
            url = self._inside(url, location, "redirects")
        raise EngineError(f"{self.host} redirects in circles", next_step="see what its administrator says of it")

    def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            return self._transport.send(method, url, headers, body=body)
        except EngineError as error:
            # The remedies that the transport names are a registry's.
            raise EngineError(
                error.what,
                cause=error.cause,
                next_step="--api-url is the address of the API; REQUESTS_CA_BUNDLE names more certificate authorities",
            ) from error

    def _inside(self, url: str, location: str, what: str) -> str:
        """Where a link leads, if that is the same origin. Raises EngineError."""
        try:
            target = urljoin(url, location) if location else ""
            inside = bool(target) and origin_of(target) == origin_of(self._base) and "@" not in urlsplit(target).netloc
            where = host_of(target) or "nowhere"
        except ValueError:
            target, inside, where = "", False, "what is no address"
        if not inside or not target.isascii() or not target.isprintable():
            raise EngineError(
                f"{self.host} {what} at {where}",
                cause=f"the token in {self.variable} is for {self.host} alone, so that is not followed",
                next_step="--api-url is the address of the API itself",
            )
        return target

    def _words(self, answer: Answer) -> str:
        """The forge's own words, "" where it has none or they repeat the token; closes the answer."""
        import msgspec

        try:
            said = msgspec.json.decode(self._read(answer, _MAX_ERROR_BYTES), type=_Said)
        except (TransientError, EngineError, msgspec.MsgspecError, RecursionError):
            return ""
        found = next((text for text in (said.message, said.error_description, said.error) if text), "")
        text = found if isinstance(found, str) else msgspec.json.encode(found).decode("utf-8", "replace")
        return "" if self._credential.token in text else plain(shorten(text, 300))

    def _read(self, answer: Answer, limit: int) -> bytes:
        """The whole body; closes the answer. Raises TransientError if it is cut, EngineError if it is too long."""
        began = self._effects.clock()
        parts: list[bytes] = []
        size = 0
        try:
            while data := answer.read(_READ_BYTES):
                parts.append(data)
                size += len(data)
                if size > limit:
                    raise EngineError(f"{self.host} answers with more than {limit:,} bytes")
                if self._effects.clock() - began > _SLOWEST_S:
                    raise TransientError(f"{self.host} sends too slowly")
        finally:
            answer.close()
        return b"".join(parts)

    def _decoded(self, data: bytes, kind: type[T]) -> T:
        import msgspec

        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise EngineError(
                f"the answer of {self.host} is not what its API promises",
                cause=plain(shorten(str(error), 200)),
                next_step="--api-url is the address of the API, not of the pages: https://HOST/api/v3 for GitHub "
                "Enterprise Server, https://HOST/api/v4 for GitLab",
            ) from error


def check_base(url: str) -> str:
    """The address of an API without a slash at its end. Raises InputError for what is no address or bears a login."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or not url.isascii() or not url.isprintable():
        raise InputError(
            "the address of the API is no plain https address",
            next_step="--api-url https://github.example.com/api/v3 or https://gitlab.example.com/api/v4",
        )
    return url.rstrip("/")


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.netloc)


def next_link(header: str) -> str:
    """The target with rel="next" of a Link header (RFC 8288), "" if there is none."""
    from requests.utils import parse_header_links

    for link in parse_header_links(header) if header.strip() else ():
        if "next" in link.get("rel", "").split():
            return str(link.get("url", ""))
    return ""
