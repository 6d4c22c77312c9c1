"""Fixtures of the registry tests: no logins of this machine's, and a scan that loads its rules once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imgscan.cli.session import open_session, scan_target


@pytest.fixture(autouse=True)
def no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own logins are nobody's business here."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture(scope="module")
def report() -> Callable[..., dict[str, Any]]:
    """Scan a target as the command does, and give the report."""
    session = open_session({"fail_on": "never", "budgets": (), "quiet": True, "verbose": False})

    def scan(target: str, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(scan_target(target, session, **more))
        return found

    return scan
