"""The registry API for one repository (OCI distribution spec): manifests, blobs, tags, referrers; and its catalogue.

In: a `Reference` and a `Transport`. Out: bytes with their status, EngineError when the registry is not there, busy for
too long or keeps us out. Redirects are followed here, so that credentials stay with the host they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Final, Protocol, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from imgscan.errors import EngineError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.source.backoff import Backoff, Effects, TransientError, retry_after
from imgscan.source.challenge import parse_challenges
from imgscan.source.config import MAX_JSON_BYTES, member, objects, parse_json, text, texts
from imgscan.source.credentials import Login
from imgscan.source.reference import Reference, is_loopback
from imgscan.source.registryauth import Authorizer
from imgscan.source.registryhttp import Answer, NoTlsError, host_of, origin_of
from imgscan.source.registrypages import first_query, next_query
from imgscan.source.throttle import Throttle

T = TypeVar("T")

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
)
_MAX_REDIRECTS: Final = 5
_MAX_TOKEN_BYTES: Final = 1 << 20
_MAX_ERROR_BYTES: Final = 1 << 16
_SMALL_BODY_S: Final = 180
"""How long a document may take altogether."""
_READ_BYTES: Final = 1 << 16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_OFFERED_OR_NOT: Final = frozenset({200, 501, *range(400, 500)}) - _BUSY
"""What registries say to a part of the API that they do not have is not always 404."""
_LISTED_OR_NOT: Final = frozenset({200, 400, 404})
_PROBE_TIMEOUT_S: Final = (5.0, 5.0)


class Sender(Protocol):
    """One HTTP exchange, as `registryhttp.Transport` makes it."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        timeout_s: tuple[float, float] = ...,
    ) -> Answer:
        """Send one request."""
        ...


@frozen
class Document:
    """A small answer, read to its end or to one byte beyond the limit. `links` are its Link headers."""

    status: int
    data: bytes = field(repr=False)
    media_type: str = ""
    links: tuple[str, ...] = ()


class GaveUpError(EngineError):
    """A registry that did not answer however often it was asked."""


class RegistryClient:
    """Asks for one repository, or for the catalogue where the reference is a registry. Threads may share it. Of bodies
    no more than `bytes_per_s` are read (0: anything)."""

    def __init__(
        self,
        reference: Reference,
        login: Login,
        sender: Sender,
        *,
        insecure: bool,
        effects: Effects | None = None,
        scheme: str | None = None,
        bytes_per_s: int = 0,
    ) -> None:
        """`scheme` is what `find_scheme` found, where the registry was asked before."""
        self._reference = reference
        self._sender = sender
        self.effects = effects or Effects()
        self._throttle = Throttle(bytes_per_s, self.effects) if bytes_per_s else None
        self.host = reference.host
        scheme = scheme or find_scheme(sender, reference.api_host, insecure=insecure)
        self._origin = f"{scheme}://{reference.api_host}"
        self._auth = Authorizer(reference, login, self._fetch_token, plain_http=insecure)

    def manifest(self, wanted: str) -> Document | None:
        """The manifest of a tag or digest; None if there is none."""
        return self._found(f"manifests/{quote(wanted, safe=':')}", accept=", ".join(MANIFEST_TYPES))

    def blob(self, digest: str, *, size_bytes: int | None, limit: int = MAX_JSON_BYTES) -> Document | None:
        """A small blob; None if the registry has none of that digest. Where it is shorter than its size, it is asked
        for again."""
        return self._found(f"blobs/{quote(digest, safe=':')}", limit=limit, at_least=size_bytes)

    def tags(self) -> tuple[str, ...]:
        """The repository's tags, as many as the registry gives at once; none if it does not say."""
        found = self._found("tags/list")
        return texts(member(parse_json(found.data, "the list of tags"), "tags")) if found is not None else ()

    def tag_pages(self) -> Iterator[tuple[str, ...]]:
        """All tags of the repository, a page at a time, as the registry spells them; nothing where it has none."""
        return self._pages("tags/list", "tags", self._first_page("tags/list", _LISTED_OR_NOT))

    def repository_pages(self) -> Iterator[tuple[str, ...]] | None:
        """The registry's catalogue of repositories, a page at a time; None where it has no such thing."""
        found = self._first_page("_catalog", _OFFERED_OR_NOT - {401, 403})
        return self._pages("_catalog", "repositories", found) if found is not None else None

    def referrers(self, digest: str) -> Document | None:
        """The index of what refers to a manifest, by the API or, where there is none, by the tag that stands in for it
        (distribution spec 1.1); None if nothing does."""
        found = self._found(f"referrers/{quote(digest, safe=':')}", accept=MANIFEST_TYPES[0], optional=True)
        if found is not None and found.media_type.partition(";")[0].strip() == MANIFEST_TYPES[0]:
            return found
        return self.manifest(digest.replace(":", "-", 1)[:128])

    def open_blob(self, digest: str, offset: int) -> Answer:
        """The answer to a request for a blob from a byte on, of any status that is no refusal: 200, 206, 404, 416.

        Raises TransientError when it is worth asking again: retries are the caller's, who knows what it has already.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return self._request(f"blobs/{quote(digest, safe=':')}", headers, allowed=frozenset({200, 206, 404, 416}))

    def receive(self, answer: Answer, size: int) -> tuple[bytes, float]:
        """Up to `size` bytes of a body, and how many seconds they took to come; what has to be waited for by ourselves
        is not among them. Raises TransientError."""
        throttle = self._throttle
        began = self.effects.clock()
        data = answer.read(size if throttle is None else min(size, throttle.most))
        took = self.effects.clock() - began
        if throttle is not None:
            throttle.count(len(data))
        return data, took

    def gave_up(self, doing: str, error: TransientError) -> GaveUpError:
        """The error for something that was tried often enough."""
        pause = error.retry_after_s
        return GaveUpError(
            f"{self.host} could not be read while {doing}",
            cause=error.reason,
            next_step=f"it asks to wait {pause:,.0f} s; then run the same command again"
            if pause
            else "check that the registry can be reached from here, then run the same command again",
        )

    def _first_page(self, path: str, allowed: frozenset[int]) -> Document | None:
        found = self._document(f"{path}?{first_query()}", allowed=allowed)
        if found.status == 400:
            # Some refuse a page of the size that was asked for instead of making it smaller.
            found = self._document(path, allowed=allowed - {400})
        return found if found.status == 200 else None

    def _pages(self, path: str, name: str, found: Document | None) -> Iterator[tuple[str, ...]]:
        """The lists of an answer that comes in pages (distribution spec, "Listing Tags"). How many there are is the
        caller's business: a registry can go on for ever."""
        seen: set[str] = set()
        while found is not None:
            yield texts(member(parse_json(found.data, f"the list of {name}"), name))
            query = next_query(found.links, f"{self._origin}{self._path(path)}")
            if not query:
                return
            if query in seen:
                raise EngineError(f"{self.host} goes round in circles when it lists {name}")
            seen.add(query)
            found = self._document(f"{path}?{query}", allowed=frozenset({200}))

    def _path(self, path: str) -> str:
        repository = self._reference.repository
        return f"/v2/{repository}/{path}" if repository else f"/v2/{path}"

    def _found(
        self,
        path: str,
        *,
        accept: str = "application/json",
        limit: int = MAX_JSON_BYTES,
        at_least: int | None = None,
        optional: bool = False,
    ) -> Document | None:
        allowed = _OFFERED_OR_NOT if optional else frozenset({200, 404})
        found = self._document(path, accept=accept, limit=limit, at_least=at_least, allowed=allowed)
        return found if found.status == 200 else None

    def _document(
        self,
        path: str,
        *,
        allowed: frozenset[int],
        accept: str = "application/json",
        limit: int = MAX_JSON_BYTES,
        at_least: int | None = None,
    ) -> Document:
        """A small answer of one of these statuses. Raises EngineError for any other."""

        def ask() -> Document:
            answer = self._request(path, {"Accept": accept}, allowed=allowed)
            return self._read(answer, limit, at_least)

        return self._retrying(ask)

    def _request(self, path: str, headers: Mapping[str, str], *, allowed: frozenset[int]) -> Answer:
        """One request, logged in as the registry asks. Raises TransientError, EngineError."""
        url = f"{self._origin}{self._path(path)}"
        sent = self._auth.current
        answer = self._follow(url, headers, sent)
        if answer.status == 401 and self._is_own(answer.url):
            challenges = parse_challenges(answer.lines("WWW-Authenticate"))
            words = self._words(answer)
            if sent is not None and not challenges:
                raise self._auth.denied(words)
            self._auth.renew(challenges, sent)
            answer = self._follow(url, headers, self._auth.current)
        if answer.status in allowed:
            return answer
        raise self._refusal(answer)

    def _follow(self, url: str, headers: Mapping[str, str], authorization: str | None) -> Answer:
        """Send, and follow redirects; the login only goes to the registry itself."""
        for _ in range(_MAX_REDIRECTS + 1):
            login = {"Authorization": authorization} if authorization and self._is_own(url) else {}
            answer = self._sender.send("GET", url, {**headers, **login})
            if answer.status not in _REDIRECTS:
                return answer
            location = answer.header("Location")
            answer.close()
            url = self._target(url, location)
        raise EngineError(f"{self.host} redirects in circles", next_step="see what its administrator says of it")

    def _target(self, url: str, location: str) -> str:
        """Where a redirect leads. Raises EngineError for anything but a web address, and for leaving TLS."""
        try:
            target = urljoin(url, location)
            parts = urlsplit(target)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
            target, parts = "", urlsplit("")
        if not location or not usable or "@" in parts.netloc or not target.isascii() or not target.isprintable():
            raise EngineError(f"{host_of(url)} redirects to what is no web address")
        if parts.scheme == "http" and urlsplit(url).scheme == "https":
            raise EngineError(f"{host_of(url)} redirects from https to plain HTTP", cause=f"at {host_of(target)}")
        return target

    def _is_own(self, url: str) -> bool:
        return origin_of(url) == origin_of(self._origin)

    def _refusal(self, answer: Answer) -> Exception:
        status, words, own = answer.status, self._words(answer), self._is_own(answer.url)
        host = host_of(answer.url)
        if status in (401, 403) and own:
            return self._auth.denied(words)
        said = f"{host} answered with status {status}" + (f": {words}" if words else "")
        # A link of a registry to its storage is only good for a while: asked again, it gives a new one.
        if status in _BUSY or (status in (401, 403) and not own):
            pause = retry_after(answer.header("Retry-After"), self.effects.now())
            return TransientError(said, retry_after_s=pause)
        name = self._reference.name if self._reference.repository else "its catalogue"
        return EngineError(f"{self.host} does not hand out {name}", cause=said)

    def _words(self, answer: Answer) -> str:
        """The registry's own words of an error, "" where it has none or they repeat a secret; closes the answer."""
        try:
            data = self._read(answer, _MAX_ERROR_BYTES, None).data
            first = next(objects(member(parse_json(data, "the error"), "errors")), {})
        except Exception:  # whatever is wrong with the explanation, the error itself is what counts
            return ""
        words = ": ".join(filter(None, (text(member(first, "code")), text(member(first, "message")))))
        return "" if self._auth.tells_secret(words) else plain(shorten(words, 300))

    def _read(self, answer: Answer, limit: int, at_least: int | None) -> Document:
        """The body, to its end or one byte beyond the limit; closes the answer. Raises TransientError."""
        parts: list[bytes] = []
        size, waited_s = 0, 0.0
        try:
            while size <= limit:
                data, took = self.receive(answer, min(_READ_BYTES, limit + 1 - size))
                if not data:
                    break
                parts.append(data)
                size += len(data)
                waited_s += took
                if waited_s > _SMALL_BODY_S:
                    raise TransientError(f"{host_of(answer.url)} sends too slowly")
        finally:
            answer.close()
        if answer.status == 200 and at_least is not None and size < min(at_least, limit):
            raise TransientError(f"{host_of(answer.url)} closed the connection after {size:,} of {at_least:,} bytes")
        return Document(
            status=answer.status,
            data=b"".join(parts),
            media_type=answer.header("Content-Type"),
            links=answer.lines("Link"),
        )

    def _fetch_token(self, url: str, headers: Mapping[str, str], body: bytes | None) -> Document:
        """Ask a realm. Credentials are not taken along by a redirect, so none is followed."""

        def ask() -> Document:
            answer = self._sender.send("GET" if body is None else "POST", url, headers, body=body)
            if answer.status in _BUSY:
                pause = retry_after(answer.header("Retry-After"), self.effects.now())
                answer.close()
                raise TransientError(f"{host_of(url)} answered with status {answer.status}", retry_after_s=pause)
            return self._read(answer, _MAX_TOKEN_BYTES, None)

        return self._retrying(ask)

    def _retrying(self, ask: Callable[[], T]) -> T:
        backoff = Backoff(self.effects)
        while True:
            try:
                return ask()
            except TransientError as error:
                if not backoff.wait(error):
                    raise self.gave_up(f"asking for {self._reference}", error) from error


def find_scheme(sender: Sender, host: str, *, insecure: bool) -> str:
    """`https`; for this machine, and for hosts that may be insecure, `http` where nothing speaks TLS."""
    if not (insecure or is_loopback(host)):
        return "https"
    try:
        sender.send("GET", f"https://{host}/v2/", {}, timeout_s=_PROBE_TIMEOUT_S).close()
    except (TransientError, NoTlsError):
        return "http"
    return "https"
