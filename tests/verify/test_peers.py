"""What clients say of connections, and what it means."""

from __future__ import annotations

import pytest

from imgscan.verify.peerprobe import main as probe
from imgscan.verify.peers import read_answer


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("imgscan:OK\n", 0, "OK"),
        ("imgscan:ECONNREFUSED\n", 0, "ECONNREFUSED"),
        ("bash: connect: Connection refused\nbash: line 1: /dev/tcp/db/1: Connection refused", 1, "ECONNREFUSED"),
        ("bash: db: Name or service not known", 1, "ENOTFOUND"),
        ("nc: bad address 'db'", 1, "ENOTFOUND"),
        ("", 124, "ETIMEDOUT"),
        ('OCI runtime exec failed: exec: "node": executable file not found in $PATH', 127, None),
        ("sh: nc: not found", 127, None),
        ("", 1, None),
    ],
)
def test_read_answer(text: str, code: int, expected: str | None) -> None:
    assert read_answer(text, code) == expected


def test_the_probe_tells_a_closed_port_from_an_open_one() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probe("127.0.0.1", port) == "OK"
    assert probe("127.0.0.1", port) == "ECONNREFUSED"
    assert probe("no-such-host.invalid", port) == "ENOTFOUND"
