"""Databases to keep things in: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Server, emptied, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server for all tests; whoever kills it starts it again."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.tools)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with nothing in it, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'h.sqlite3'}"
    server: Server = request.getfixturevalue("postgres")
    return emptied(server.url)
