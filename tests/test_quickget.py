"""Quick questions to an engine: a plain success is taken, everything else is left to the SDK."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgscan.quickget import asked_ahead, quick_get, quick_gets


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """A socket that gives one answer to one connection."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(1 << 16))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            thread.join()


def ok(body: bytes, headers: bytes = b"Content-Type: application/json\r\n") -> bytes:
    return b"HTTP/1.0 200 OK\r\n" + headers + b"\r\n" + body


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(ok(b'{"Id": "x"}'), {"Id": "x"}, id="success"),
        pytest.param(ok(b'{"Id": "x"}', b""), {"Id": "x"}, id="no-headers-at-all"),
        pytest.param(ok(b"[1]"), None, id="no-object"),
        pytest.param(ok(b"{"), None, id="no-json"),
        pytest.param(ok(b"[" * 100_000), None, id="deep-json"),
        pytest.param(ok(b"{}", b"Transfer-Encoding: chunked\r\n"), None, id="chunked"),
        pytest.param(b'HTTP/1.0 404 Not Found\r\n\r\n{"message": "no such image"}', None, id="not-found"),
        pytest.param(b"garbage", None, id="garbage"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_only_a_plain_success_counts(tmp_path: Path, answer: bytes, expected: object) -> None:
    with answering(tmp_path / "d.sock", answer) as asked:
        assert quick_get(f"unix://{tmp_path}/d.sock", "/images/a%20b/json") == expected
    assert asked[0].startswith(b"GET /images/a%20b/json HTTP/1.0\r\n")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        pytest.param("tcp://127.0.0.1:1", "/info", id="no-socket"),
        pytest.param("unix:///nowhere/d.sock", "/info", id="nobody-there"),
        pytest.param("unix:///nowhere/d.sock", "/x\r\nHost: y", id="two-lines"),
        pytest.param("unix:///nowhere/d.sock", "/a b", id="a-space"),
    ],
)
def test_what_is_not_asked(host: str, path: str) -> None:
    assert quick_get(host, path) is None


def test_several_are_asked_before_one_is_answered(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "d.sock"))
        listener.listen()

        def serve() -> None:
            connections = [listener.accept()[0] for _ in range(3)]
            paths = [connection.recv(1 << 16).split(b" ")[1] for connection in connections]
            for connection, path in reversed(list(zip(connections, paths, strict=True))):
                with connection:
                    connection.sendall(b"garbage" if path == b"/b" else ok(b'{"Id": "%b"}' % path))

        thread = threading.Thread(target=serve)
        thread.start()
        answers = quick_gets(f"unix://{tmp_path}/d.sock", ("/a", "/b", "/no such", "/c"))
        thread.join()
    assert answers == [{"Id": "/a"}, None, None, {"Id": "/c"}]


def test_what_was_asked_ahead_is_not_asked_again(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/d.sock"
    with answering(tmp_path / "d.sock", ok(b'{"Id": "x"}')) as asked, asked_ahead(host, ("/info", "/no such")):
        assert quick_get(host, "/info") == {"Id": "x"}
    assert len(asked) == 1
    assert quick_get(host, "/info") is None, "an answer is good for one question, and nobody listens any more"


def test_what_nobody_takes_is_closed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "d.sock"))
        listener.listen()
        with asked_ahead(f"unix://{tmp_path}/d.sock", ("/info",)):
            connection = listener.accept()[0]
        with connection:
            assert connection.recv(1 << 16).startswith(b"GET /info ")
            assert connection.recv(1) == b""


def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    with asked_ahead(f"unix://{tmp_path}/nowhere.sock", ("/info",)):
        assert quick_get(f"unix://{tmp_path}/nowhere.sock", "/info") is None
