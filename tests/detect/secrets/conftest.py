"""Scanners of both back ends, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner


@pytest.fixture(scope="session")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> SecretScanner:
    """hyperscan, with trufflehog3's rules."""
    return load_scanner(backend="hyperscan", cache=tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="session")
def slow_scanner() -> SecretScanner:
    """The fall-back: RE2 only."""
    return load_scanner(backend="re2", keep_compiled=False)


@pytest.fixture
def private_dir(tmp_path: Path) -> Path:
    """A directory that nobody else may write to, as a cache has to be."""
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture(scope="session")
def token() -> bytes:
    """A GitHub token with a right checksum, assembled here so that none stands in the repository."""
    rule = next(rule for rule in own_pack().rules if rule.id == "secret-github-token")
    return assemble(rule.examples[0], "a test")
