"""Who listens where, by `/proc/net/tcp` and `/proc/net/tcp6` of a network namespace. Pure.

Format: Documentation/networking/proc_net_tcp.rst of the Linux kernel; addresses are 32-bit words in the machine's
byte order (little-endian on every machine that engines run on but s390x).
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable
from typing import Final

from imgscan.frozen import frozen

_LISTEN: Final = "0A"
_MOST_LINES: Final = 20_000
# The engine's own resolver, in the namespace of every container of a user-defined network.
_RESOLVER: Final = "127.0.0.11"


@frozen
class Listening:
    """A TCP socket that waits for connections; `address` in the usual notation."""

    address: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether nobody but the namespace itself reaches it."""
        return ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read_sockets(text: str, byteorder: str = sys.byteorder) -> tuple[Listening, ...]:
    """The listening sockets of a table (both tables may follow each other); lines that are none are passed over."""
    found: dict[Listening, None] = {}
    for line in text.splitlines()[:_MOST_LINES]:
        fields = line.split()
        if len(fields) < 4 or fields[3] != _LISTEN:
            continue
        address, _, port = fields[1].partition(":")
        try:
            listening = Listening(address=_address(address, byteorder), port=int(port, 16))
        except ValueError:
            continue
        if listening.address != _RESOLVER:
            found[listening] = None
    return tuple(sorted(found, key=lambda item: (item.port, item.address)))


def reachable(listening: Iterable[Listening], port: int) -> bool | None:
    """Whether a port answers others than its own container; None if nobody listens on it."""
    there = [item for item in listening if item.port == port]
    return any(not item.loopback for item in there) if there else None


def _address(text: str, byteorder: str) -> str:
    if len(text) not in (8, 32):
        raise ValueError(text)
    raw = bytes.fromhex(text)
    if byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    parsed = ipaddress.ip_address(raw)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
