"""Fixtures of the registry tests: no logins of this machine's, and a scan that loads its rules once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imgscan.assess import Gate
from imgscan.cli.session import Session, scan_target
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.progress import silent
from imgscan.redaction import Redactor


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
    session = Session(
        scanner=load_scanner(),
        redactor=Redactor(lambda _: ()),
        progress=silent(),
        gate=Gate(fail_on=None, limits=()),
    )

    def scan(target: str, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(scan_target(target, session, **more))
        return found

    return scan
