"""GETs of an engine's API over its unix socket, without the SDK: three of them are all that a scan of an image in the
engine's store needs, and the SDK takes longer to import than such a scan takes. In: socket and path. Out: the JSON of a
plain success; None for anything else, which is left to the SDK and its errors.

The engine takes as long to answer as it takes to import what the answers are for: `asked_ahead` asks before that.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import quote

_TIMEOUT_S: Final = 10
_LARGEST: Final = 16 << 20
ABOUT_ENGINE: Final = ("/version", "/info")
_ahead: dict[tuple[str, str], socket.socket] = {}
"""Connections on which an answer is awaited, by host and path; each is good for one answer."""


def about_image(name: str) -> str:
    """The path of an image's record."""
    return f"/images/{quote(name, safe=':/@')}/json"


@contextmanager
def asked_ahead(host: str, paths: Sequence[str]) -> Iterator[None]:
    """Ask the engine at `host` now; within the block, `quick_gets` takes the answers when it is asked for them."""
    with ExitStack() as stack:
        for path in paths:
            connection = _asked(host, path, stack)
            if connection is not None:
                _ahead[host, path] = connection
        try:
            yield
        finally:
            _ahead.clear()


def quick_get(host: str, path: str) -> dict[str, Any] | None:
    """The object at `path` of the engine at `host`, `unix://…`."""
    return quick_gets(host, (path,))[0]


def quick_gets(host: str, paths: Sequence[str]) -> list[dict[str, Any] | None]:
    """The objects at all these paths. They are asked for at once, each on a connection of its own, so that the engine
    looks for them at the same time."""
    with ExitStack() as stack:
        connections = [_asked(host, path, stack) for path in paths]
        return [None if connection is None else _answer(connection) for connection in connections]


def _asked(host: str, path: str, stack: ExitStack) -> socket.socket | None:
    before = _ahead.pop((host, path), None)
    if before is not None:
        return stack.enter_context(before)
    if not host.startswith("unix://") or "\r" in path or "\n" in path or " " in path:
        return None
    # HTTP/1.0: the answer ends with the connection and is not cut into chunks.
    request = f"GET {path} HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n".encode()
    try:
        connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.settimeout(_TIMEOUT_S)
        connection.connect(host.removeprefix("unix://"))
        connection.sendall(request)
    except OSError:
        return None
    return connection


def _answer(connection: socket.socket) -> dict[str, Any] | None:
    try:
        answer = _read(connection)
    except OSError:
        return None
    head, blank, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    if not blank or status.split(b" ")[1:2] != [b"200"] or b"transfer-encoding" in headers.lower():
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _read(connection: socket.socket) -> bytes:
    pieces: list[bytes] = []
    left = _LARGEST
    while left > 0 and (piece := connection.recv(1 << 16)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces) if left > 0 else b""
