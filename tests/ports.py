"""Ports of this machine for servers of the tests."""

from __future__ import annotations

import secrets
import socket
from typing import Final

_FIRST: Final = 20_000
_LAST: Final = 32_767


def free_port() -> int:
    """A port that nobody listens on.

    It is below those that Linux gives to outgoing connections (`net.ipv4.ip_local_port_range`), so that a server that
    was killed gets it again, whatever else runs on this machine in the meantime.
    """
    for _ in range(1000):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
