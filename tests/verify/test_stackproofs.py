"""What errors of connections mean, and who shares a network."""

from __future__ import annotations

import pytest

from imgscan.model import SourceLine
from imgscan.project.network.graph import Edge
from imgscan.verify.sockets import Listening
from imgscan.verify.stackproofs import explain, shared_networks


def edge(host: str, server: str | None) -> Edge:
    return Edge(
        client="app",
        server=server,
        host=host,
        port=5432,
        at=SourceLine(file="compose.yaml", line=1),
        source="environment",
        name="DATABASE_URL",
    )


@pytest.mark.parametrize(
    ("word", "host", "server", "sockets", "first"),
    [
        ("ENOTFOUND", "dbb", None, (), "TECH-002-02"),
        ("ENOTFOUND", "db", "db", (), "TECH-002-03"),
        ("EAI_AGAIN", "db", "db", (), "TECH-002-03"),
        ("ECONNREFUSED", "localhost", None, (), "TECH-002-01"),
        ("ECONNREFUSED", "db", "db", (("127.0.0.1", 5432),), "TECH-002-06"),
        ("ECONNREFUSED", "db", "db", (("0.0.0.0", 5433),), "TECH-002-05"),
        ("EHOSTUNREACH", "10.0.0.9", None, (), "TECH-002-03"),
        ("ETIMEDOUT", "10.0.0.9", None, (), "TECH-002-07"),
    ],
)
def test_explain(word: str, host: str, server: str | None, sockets: tuple[tuple[str, int], ...], first: str) -> None:
    listening = tuple(Listening(address=address, port=port) for address, port in sockets)
    cites, why = explain(word, edge(host, server), listening, known=server is not None)
    assert cites[0] == first
    assert why


@pytest.mark.parametrize(
    ("client", "server", "expected"),
    [
        ({}, {}, {"default"}),
        ({"networks": {"a": None, "b": None}}, {"networks": {"b": None}}, {"b"}),
        ({"networks": {"a": None}}, {}, set()),
    ],
)
def test_shared_networks(client: dict[str, object], server: dict[str, object], expected: set[str]) -> None:
    config = {"services": {"app": client, "db": server}}
    assert shared_networks(config, "app", "db") == expected
    assert shared_networks(config, "app", "gone") == frozenset()
