"""One build request on its own connection, so that it can be cancelled at any moment.

The SDK's session owns its sockets: an interrupt between sending and answering would leave the connection, and with it
the build, alive until the garbage collector comes by. Here the connection (made by the SDK's own adapter, so that unix,
tcp, TLS and ssh all work) is held by the caller from the first byte.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from imgscan.errors import EngineError
from imgscan.escape import plain, shorten

if TYPE_CHECKING:
    from imgscan.engine import Engine

_CHUNK_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 64 * 1024
_MAX_LINE_BYTES: Final = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_UNDECODABLE: Final = "imgscan.undecodable"
_DOING: Final = "building the image"


class BuildStream(Iterator[dict[str, Any]]):
    """The engine's records of one build. Iterate it to the end, or `close` it, which cancels the build."""

    def __init__(self, engine: Engine, connection: http.client.HTTPConnection, build_id: str | None) -> None:
        self._engine = engine
        self._connection = connection
        self._build_id = build_id
        self._records = self._read()
        self._response: http.client.HTTPResponse | None = None
        self._closed = False
        self.finished = False

    def __next__(self) -> dict[str, Any]:
        return next(self._records)

    def send(self, url: str, headers: Mapping[str, str], body: Iterator[bytes]) -> None:
        """Send the request and read the head of the answer; EngineError in the engine's words when it refuses."""
        try:
            self._connection.putrequest("POST", url)
            for name, value in headers.items():
                self._connection.putheader(name, value)
            self._connection.endheaders()
            self._send_chunks(body)
            # urllib3's own getresponse wants urllib3's own request: use the class both inherit from.
            self._response = http.client.HTTPConnection.getresponse(self._connection)
        except (OSError, http.client.HTTPException) as error:
            raise self._engine.went_away(_DOING, error) from error
        if self._response.status >= 400:
            raise self._refusal(self._response)

    def close(self) -> None:
        """End the connection; a build that is not finished is cancelled. May be called at any time, any number of
        times."""
        self._closed = True
        sock = self._connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except (OSError, AttributeError):
                sock = None  # closed by the other side, or a channel of ssh, which has no two halves
        if self._response is not None:
            self._response.close()
        self._connection.close()
        if not self.finished and self._build_id is not None:
            self.finished = True
            self._engine.cancel_build(self._build_id)

    def _is_closed(self) -> bool:
        return self._closed

    def _send_chunks(self, body: Iterator[bytes]) -> None:
        """The body, chunked. An engine that answers before it has read everything (400: unknown target, bad flag) has
        closed its end; what it says is worth more than the broken pipe."""
        try:
            for piece in _gathered(body):
                self._connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            self._connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def _refusal(self, response: http.client.HTTPResponse) -> EngineError:
        try:
            body = response.read(_MAX_ERROR_BYTES)
        except (OSError, http.client.HTTPException):
            body = b""
        self.finished = True
        self.close()
        text = body.decode("utf-8", "replace").strip()
        try:
            message = json.loads(text).get("message") or text
        except (ValueError, AttributeError, RecursionError):
            message = text
        return RefusedBuild(
            f"the engine at {self._engine.host} refuses the build (HTTP {response.status})",
            cause=plain(shorten(str(message), 2000)),
        )

    def _read(self) -> Iterator[dict[str, Any]]:
        rest = b""
        while True:
            data = self._read_some()
            lines = (rest + data).split(b"\n") if b"\n" in data or not data else [rest + data]
            rest = lines.pop()
            for line in lines:
                yield from decode_line(line)
            if not data or len(rest) > _MAX_LINE_BYTES:
                break
        yield from decode_line(rest)
        self.finished = True
        self.close()

    def _read_some(self) -> bytes:
        response = self._response
        if response is None or self._is_closed():
            return b""
        try:
            return response.read1(_READ_BYTES)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            if self._is_closed():  # by another thread, under the reader's feet
                return b""
            self.close()
            raise self._engine.went_away(_DOING, error) from error


class RefusedBuild(EngineError):
    """The engine answered the build request with an error; `cause` is what it said."""


def start_build(
    engine: Engine, body: Iterator[bytes], params: Mapping[str, str], headers: Mapping[str, str]
) -> BuildStream:
    """Open a connection of its own, send the build request, give the stream of answers."""
    url = engine.api_url("/build")
    with engine.calling(_DOING):
        connection = new_connection(engine, url)
    parts = urlsplit(url)
    stream = BuildStream(engine, connection, params.get("buildid"))
    sent = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked", **headers}
    try:
        query = urlencode(params, errors="surrogateescape")
        stream.send(f"{parts.path}?{query}", sent, body)
    except BaseException:
        stream.close()
        raise
    return stream


def new_connection(engine: Engine, url: str) -> http.client.HTTPConnection:
    """A connection by the SDK's adapter for this engine's kind of host, not shared with any pool."""
    import requests

    adapter: Any = engine.api.get_adapter(url)
    request = engine.api.prepare_request(requests.Request("POST", url))
    pool = adapter.get_connection_with_tls_context(request, engine.api.verify, proxies=None, cert=engine.api.cert)
    connection = pool._new_conn()
    connection.connect()
    sock = connection.sock
    sock.settimeout(None)  # a step may be silent for as long as it runs
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        # No answer is read for minutes while a step runs: only keep-alive tells a slow engine from a dead machine.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection  # type: ignore[no-any-return]


def decode_line(line: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of one line of the stream; what cannot be decoded becomes a record that says so."""
    text = line.decode("utf-8", "replace").strip()
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        try:
            record, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield {"id": _UNDECODABLE, "text": shorten(text[at:], 200)}
            return
        if isinstance(record, dict):
            yield record
        while at < len(text) and text[at].isspace():
            at += 1


def _gathered(body: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of a useful size: a tar of many small files is many tiny pieces."""
    pending: list[bytes] = []
    size = 0
    for piece in body:
        if piece:
            pending.append(piece)
            size += len(piece)
        if size >= _CHUNK_BYTES:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)
