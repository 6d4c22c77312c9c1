"""What stands behind the engine's command line in the sandbox: takes calls over a socket, lets a handler answer them.

In: calls of `shim.py`, with the caller's input and outputs as descriptors. Out: exit codes. Calls are hostile: bounded
in size and number.
"""

from __future__ import annotations

import array
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from imgscan.frozen import frozen

_MAX_MESSAGE: Final = 1 << 18
_MOST_CALLS: Final = 2_000
_TIMEOUT_S: Final = 10.0
REFUSED: Final = 125


@frozen
class Asked:
    """A call that reached the engine's command line: the program's name, its words, the descriptors of its input,
    output and errors (open until the handler returns)."""

    program: str
    words: tuple[str, ...]
    streams: tuple[int, int, int]


Handler = Callable[[Asked], int]
"""Answers a call with an exit code; may write to its streams. Calls come from several threads."""


@contextmanager
def broker(path: Path, handler: Handler) -> Iterator[None]:
    """Listen at `path` as long as the block lasts."""
    with _short_path(path) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        path.unlink(missing_ok=True)
        listener.bind(address)
        path.chmod(0o666)
        listener.listen(64)
        over = threading.Event()
        thread = threading.Thread(target=_accept, args=(listener, handler, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(_TIMEOUT_S)
            path.unlink(missing_ok=True)


@contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A name for a socket's path by way of its folder's descriptor: a socket's address has 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _accept(listener: socket.socket, handler: Handler, over: threading.Event) -> None:
    threads: list[threading.Thread] = []
    for _ in range(_MOST_CALLS):
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        if over.is_set():
            connection.close()
            break
        thread = threading.Thread(target=_serve, args=(connection, handler), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join(_TIMEOUT_S)


def _serve(connection: socket.socket, handler: Handler) -> None:
    descriptors: list[int] = []
    with connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            head, descriptors = _receive_head(connection)
            asked = _read_call(connection, head, descriptors)
            code = REFUSED if asked is None else handler(asked)
            connection.sendall(bytes([code & 0xFF]))
        except OSError:
            # The caller went away.
            return
        finally:
            for number in descriptors:
                os.close(number)


def _receive_head(connection: socket.socket) -> tuple[bytes, list[int]]:
    numbers = array.array("i")
    room = socket.CMSG_SPACE(8 * numbers.itemsize)
    head, rights, _, _ = connection.recvmsg(4, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return head, list(numbers)


def _read_call(connection: socket.socket, head: bytes, descriptors: Sequence[int]) -> Asked | None:
    length = int.from_bytes(head, "big")
    if len(head) != 4 or len(descriptors) != 3 or length > _MAX_MESSAGE:
        return None
    message = bytearray()
    while len(message) < length:
        chunk = connection.recv(length - len(message))
        if not chunk:
            return None
        message += chunk
    try:
        document: Any = json.loads(message)
    except (ValueError, RecursionError):
        return None
    program, words = (document.get("program"), document.get("words")) if isinstance(document, dict) else (None, None)
    if not isinstance(program, str) or not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        return None
    return Asked(program=program, words=tuple(words), streams=(descriptors[0], descriptors[1], descriptors[2]))
