"""One HTTP exchange with a registry or a host it names: request -> status, headers, body as it comes.

Redirects, logins and retries are the caller's business: nothing is followed, nothing is sent that was not given, no
cookie is kept, no password taken from a .netrc. Bodies are never decoded: digests are of the bytes as sent.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from imgscan import __version__
from imgscan.errors import EngineError, InputError
from imgscan.escape import plain, shorten
from imgscan.source.backoff import TransientError
from imgscan.source.reference import is_loopback

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT_S: Final = 15
READ_TIMEOUT_S: Final = 60
CERTS_DIRS: Final = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))
_CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_IN_THE_MIDDLE: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_NO_PROXIES: Final[dict[str, Any]] = {"http": None, "https": None, "all": None}


class NoTlsError(EngineError):
    """A host answers, but does not speak TLS."""


class Answer:
    """A status, headers, and a body that is read as it comes. `close` it."""

    def __init__(self, response: requests.Response, url: str) -> None:
        self.status = response.status_code
        self.url = url
        self._response = response

    def header(self, name: str) -> str:
        """A header's value, "" if there is none."""
        return str(self._response.headers.get(name, ""))

    def lines(self, name: str) -> tuple[str, ...]:
        """Every line of a header that may come several times."""
        return tuple(self._response.raw.headers.getlist(name))

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; b"" at the end. Raises TransientError for a cut connection."""
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._response.raw.read1(size, decode_content=False))
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise TransientError(f"{host_of(self.url)} {_broken_off(error)}") from error

    def close(self) -> None:
        """Let go of the connection; it is closed if the body was not read to its end."""
        self._response.close()


class Transport:
    """Sends requests. `insecure_host` is the one host whose certificate is not checked, as the user asked. Threads may
    share it."""

    def __init__(self, *, insecure_host: str | None = None, certs_dirs: Iterable[Path] = CERTS_DIRS) -> None:
        self._insecure_host = insecure_host
        self._certs_dirs = tuple(certs_dirs)
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._mounted: set[str] = set()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
    ) -> Answer:
        """Send one request and give the answer, whatever its status.

        Raises TransientError where no answer came, EngineError where none will come (TLS, name resolution).
        """
        import requests

        host = host_of(url)
        with self._lock:
            session = self._prepared(url, host)
        try:
            response = session.request(
                method,
                url,
                headers={"User-Agent": f"imgscan/{__version__}", "Accept-Encoding": "identity", **headers},
                data=body,
                # Does nothing, but keeps requests from looking for a password in .netrc.
                auth=lambda request: request,
                proxies=dict(_NO_PROXIES) if is_loopback(host) else None,
                verify=False if host == self._insecure_host else None,
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            )
        except requests.exceptions.SSLError as error:
            raise _tls_failure(host, error) from error
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise _no_answer(host, error) from error
        return Answer(response, url)

    def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            self._session.close()

    def _prepared(self, url: str, host: str) -> requests.Session:
        """The session, with a TLS set-up of its own for the host."""
        if self._session is None:
            self._session = _bare_session()
        if url.startswith("https:") and host not in self._mounted:
            self._session.mount(f"https://{host}/", _adapter(self._tls_context(host)))
            self._mounted.add(host)
            if host == self._insecure_host:
                import urllib3

                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return self._session

    def _tls_context(self, host: str) -> ssl.SSLContext:
        context = _tls_context(host, self._certs_dirs)
        if host == self._insecure_host:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def host_of(url: str) -> str:
    """`HOST[:PORT]` of a URL, for messages and comparison; its path and query may hold what nobody should read."""
    return plain(shorten(urlsplit(url).netloc.rpartition("@")[2].lower(), 300))


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL (RFC 6454): what credentials may be shared within."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _bare_session() -> requests.Session:
    from http.cookiejar import DefaultCookiePolicy

    import requests

    class BareSession(requests.Session):
        """Looks at no redirect: requests would read all of its body first, however much that is."""

        def get_redirect_target(self, resp: requests.Response) -> str | None:
            return None

    session = BareSession()
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _adapter(context: ssl.SSLContext) -> requests.adapters.HTTPAdapter:
    from requests.adapters import HTTPAdapter

    class TlsAdapter(HTTPAdapter):
        """Gives every connection the context, to which requests adds its own certificate authorities."""

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base class has it
            return super().init_poolmanager(*args, ssl_context=context, **kwargs)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base class has it
            return super().proxy_manager_for(*args, ssl_context=context, **kwargs)

    return TlsAdapter()


def _tls_context(host: str, certs_dirs: Iterable[Path]) -> ssl.SSLContext:
    """The system's certificate authorities, unless the environment names others, and what certs.d has for the host:
    `*.crt` authorities, `*.cert` with `*.key` to identify ourselves. Raises InputError for a file that is broken."""
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    if not any(os.environ.get(name) for name in _CA_VARIABLES):
        context.load_default_certs()
    for path in sorted(path for folder in certs_dirs for path in _files_in(folder / host)):
        try:
            if path.suffix == ".crt":
                context.load_verify_locations(path)
            elif path.suffix == ".cert":
                context.load_cert_chain(path, path.with_suffix(".key"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"the certificate {plain(str(path))} cannot be used",
                cause=plain(error.strerror or type(error).__name__) if isinstance(error, OSError) else "",
                next_step="see that it is in PEM form and may be read, with its .key beside it",
            ) from error
    return context


def _files_in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _chain(error: BaseException) -> list[BaseException]:
    """An error and those it comes from, the outermost first."""
    found: list[BaseException] = []
    left: list[BaseException] = [error]
    while left and len(found) < 20:
        one = left.pop(0)
        if one in found:
            continue
        found.append(one)
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        left += [item for item in inner if isinstance(item, BaseException)]
    return found


def _tls_failure(host: str, error: Exception) -> EngineError | TransientError:
    """A certificate that is not accepted stays so; a handshake that breaks off may work the next time."""
    chain = _chain(error)
    refused = next((item for item in chain if isinstance(item, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        return EngineError(
            f"the TLS certificate of {host} is not accepted",
            cause=plain(shorten(refused.verify_message or "it cannot be verified", 200)),
            next_step=f"put its authority's certificate into /etc/docker/certs.d/{host}/ca.crt or name it in "
            f"REQUESTS_CA_BUNDLE; --insecure-registry {host} goes without",
        )
    spoken = next((item.reason for item in chain if isinstance(item, ssl.SSLError) and item.reason), None)
    words = plain(str(spoken)).replace("_", " ").lower() if spoken else "the handshake broke off"
    if spoken in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return NoTlsError(
            f"{host} does not speak TLS",
            cause=words,
            next_step=f"--insecure-registry {host} allows plain HTTP, if that is meant",
        )
    if any(isinstance(item, ssl.SSLEOFError | ssl.SSLZeroReturnError) for item in chain) or spoken is None:
        return TransientError(f"TLS with {host} failed: {words}")
    return EngineError(
        f"TLS with {host} failed", cause=words, next_step=f"see what it offers: openssl s_client -connect {host}"
    )


def _no_answer(host: str, error: Exception) -> EngineError | TransientError:
    import requests.exceptions as failures
    import urllib3.exceptions

    chain = _chain(error)
    if any(isinstance(item, socket.gaierror) and item.errno == socket.EAI_AGAIN for item in chain):
        return TransientError(f"the name server does not answer for {host}")
    if any(isinstance(item, urllib3.exceptions.NameResolutionError) for item in chain):
        return EngineError(f"{host} is not known", cause="its name has no address", next_step="check the spelling")
    if isinstance(error, failures.ProxyError):
        return TransientError(f"the proxy before {host} {_broken_off(error)}")
    if isinstance(error, failures.ConnectTimeout):
        return TransientError(f"{host} does not answer")
    if isinstance(error, failures.Timeout):
        return TransientError(f"{host} did not answer in time")
    if isinstance(error, failures.ConnectionError | failures.ChunkedEncodingError):
        return TransientError(f"{host} {_broken_off(error)}")
    if isinstance(error, OSError) and not isinstance(error, failures.RequestException):
        return EngineError(f"TLS with {host} cannot be set up", cause=plain(shorten(str(error), 300)))
    return EngineError(f"{host} cannot be asked", cause=type(error).__name__)


def _broken_off(error: Exception) -> str:
    """What became of a connection, in words that hold nothing of the request."""
    import urllib3.exceptions

    chain = _chain(error)
    if any(isinstance(item, TimeoutError | urllib3.exceptions.ReadTimeoutError) for item in chain):
        return "sent nothing for too long"
    known = next((item for item in reversed(chain) if isinstance(item, OSError) and item.strerror), None)
    if known is None:
        return "closed the connection"
    words = plain(str(known.strerror)).lower()
    return f"broke off: {words}" if known.errno in _IN_THE_MIDDLE else f"cannot be reached: {words}"
