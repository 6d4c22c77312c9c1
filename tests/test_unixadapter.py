"""Connections to a unix socket that do not come about: nothing is left to the garbage collector, whose warning of an open
socket would fail these tests."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from daemon import serve
from docker import APIClient

from imgscan.unixadapter import use_unix_adapter


@pytest.fixture
def client(tmp_path: Path) -> Iterator[APIClient]:
    """A client of an engine that answered it once."""
    with serve(tmp_path) as server:
        client = APIClient(base_url=server.host, version="1.41")
        use_unix_adapter(client, server.host, 10)
        assert client.version()["ApiVersion"]
        client.close()  # what is open; the next call connects anew
    yield client
    client.close()


def test_an_engine_that_ended(client: APIClient, tmp_path: Path) -> None:
    with pytest.raises(requests.ConnectionError):
        client.version()
    (tmp_path / "d.sock").unlink()
    with pytest.raises(requests.ConnectionError, match="No such file"):
        client.version()
    gc.collect()


def test_an_interrupt_while_it_connects(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(socket.socket):
        def connect(self, address: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(socket, "socket", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.version()
    gc.collect()
