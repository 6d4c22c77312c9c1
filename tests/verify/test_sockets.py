"""Tables of sockets as the kernel writes them."""

from __future__ import annotations

import pytest

from imgscan.verify.sockets import Listening, reachable, read_sockets

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(address: str, state: str = "0A") -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0100007F:0BB9", ("127.0.0.1", 3001, True)),
        ("00000000:0BB9", ("0.0.0.0", 3001, False)),
        ("0200A8C0:1538", ("192.168.0.2", 5432, False)),
        ("00000000000000000000000000000000:0050", ("::", 80, False)),
        ("00000000000000000000000001000000:0050", ("::1", 80, True)),
        ("0000000000000000FFFF00000100007F:0050", ("127.0.0.1", 80, True)),
    ],
)
def test_read_sockets(address: str, expected: tuple[str, int, bool]) -> None:
    (found,) = read_sockets(HEAD + row(address), "little")
    assert (found.address, found.port, found.loopback) == expected


def test_connections_the_resolver_and_nonsense_are_none() -> None:
    text = HEAD + row("0100007F:0BB9", "01") + row("0B00007F:A3D1") + row("xyz:1") + row("0100007F:zz") + "\x00\n"
    assert read_sockets(text, "little") == ()


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [((), None), (("127.0.0.1",), False), (("127.0.0.1", "::"), True), (("10.0.0.2",), True)],
)
def test_reachable(addresses: tuple[str, ...], expected: bool | None) -> None:
    listening = [Listening(address=address, port=80) for address in addresses]
    assert reachable(listening, 80) is expected
    assert reachable(listening, 81) is None
