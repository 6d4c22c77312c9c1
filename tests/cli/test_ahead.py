"""Which targets the engine is asked for before the modules are there that need the answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscan.cli.ahead import asking_for
from imgscan.quickget import quick_get


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "d.sock"))
        listener.listen()
        listener.settimeout(0)
        yield listener


def paths_asked_for(listener: socket.socket) -> list[str]:
    paths: list[str] = []
    while True:
        try:
            connection = listener.accept()[0]
        except BlockingIOError:
            return sorted(paths)
        with connection:
            connection.settimeout(5)
            paths.append(connection.recv(1 << 16).split(b" ")[1].decode())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("acme/app:1.0", ["/images/acme/app:1.0/json", "/info", "/version"], id="a-name"),
        pytest.param("sha256:" + "a" * 64, [f"/images/sha256:{'a' * 64}/json", "/info", "/version"], id="an-id"),
        pytest.param("./acme", [], id="a-path"),
        pytest.param("/tmp/acme.tar", [], id="an-absolute-path"),
        pytest.param("-", [], id="standard-input"),
        pytest.param("registry://host/acme", [], id="a-registry"),
        pytest.param("acme app", [], id="no-name"),
        pytest.param("acme\r\nX: y", [], id="two-lines"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_only_names_are_asked_for(
    target: str, expected: list[str], engine: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/d.sock")
    with asking_for((target, "other")):
        assert paths_asked_for(engine) == expected


def test_an_engine_elsewhere_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with asking_for(("acme/app",)):
        assert quick_get("tcp://127.0.0.1:1", "/info") is None
