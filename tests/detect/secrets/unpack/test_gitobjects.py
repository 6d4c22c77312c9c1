"""What was committed once, in repositories that git itself writes."""

from __future__ import annotations

import os
import random
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secretmaker import token_of

from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.unpack.gitobjects import _Added, apply_delta
from imgscan.detect.secrets.unpack.magic import recognise
from imgscan.detect.secrets.unpack.source import Source

FIRST, SECOND, THIRD = (token_of(f"git {name}") for name in ("first", "second", "third"))


def git(folder: Path, *words: str) -> None:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, env={**os.environ, **quiet}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def repository(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three states of a file, each with a token of its own in the middle of it, the last without."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", f"--object-format={request.param}")
    lines = [f"line {number} {random.Random(number).random()}" for number in range(400)]
    for number, token in enumerate((FIRST, SECOND, THIRD, "nothing")):
        lines[100 * number + 50] = f"token = {token}"
        (folder / "a.txt").write_text("\n".join(lines))
        git(folder, "add", "a.txt")
        git(folder, "commit", "-q", "-m", f"state {number}")
        for at in range(0, 400, 100):
            lines[at + 50] = "nothing"
    return folder / ".git"


def found(scanner: SecretScanner, folder: Path) -> set[str]:
    hits: set[str] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".idx":
            notes: list[str] = []
            name = str(path.relative_to(folder))
            hits |= {hit.secret.decode() for hit in scanner.scan_bytes(path.read_bytes(), path=name, note=notes.append)}
            assert notes == []
    return hits


def test_loose_objects(repository: Path, scanner: SecretScanner) -> None:
    assert found(scanner, repository / "objects") == {FIRST, SECOND, THIRD}


def test_a_pack(repository: Path, scanner: SecretScanner) -> None:
    git(repository.parent, "repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50")
    packs = list((repository / "objects/pack").glob("*.pack"))
    assert len(packs) == 1
    assert found(scanner, repository / "objects/pack") == {FIRST, SECOND, THIRD}


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_pack(seed: int, repository: Path, scanner: SecretScanner) -> None:
    """Nothing is raised, and what is damaged is told: a flipped bit may well be one of a token's."""
    git(repository.parent, "repack", "-q", "-a", "-d")
    (pack,) = (repository / "objects/pack").glob("*.pack")
    data, source = bytearray(pack.read_bytes()), random.Random(seed)
    for _ in range(3):
        data[source.randrange(12, len(data))] ^= 1 << source.randrange(8)
    cut = bytes(data[: source.randrange(12, len(data))])
    for damaged in (bytes(data), cut):
        notes: list[str] = []
        hits = scanner.scan_bytes(damaged, path="a.pack", note=notes.append)
        assert {hit.secret.decode() for hit in hits} >= {FIRST, SECOND, THIRD} or notes


@given(st.binary(max_size=400), st.integers(0, 50))
def test_any_bytes(rest: bytes, count: int) -> None:
    pieces = [rest]
    added = _Added(Source(lambda _: pieces.pop() if pieces else b""))
    while added.read(count + 1):
        pass


def test_other_zlib_streams_are_no_objects(scanner: SecretScanner) -> None:
    data = zlib.compress(f"token = {FIRST}\n".encode())
    container = recognise(data)
    assert container is not None
    assert container.name == "zlib"
    assert [hit.inside for hit in scanner.scan_bytes(data, path="a.bin")] == ["a.bin"]


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.binary(max_size=90))))
def test_a_difference_applied(base: bytes, parts: list[tuple[int, int, bytes]]) -> None:
    """What comes out is what was put together, and everything added is in what is searched."""
    target, commands = b"", b""
    for low, size, text in parts:
        low = min(low, len(base))
        size = min(size, len(base) - low)
        if size:
            commands += bytes((0x80 | 0x03 | 0x30,)) + low.to_bytes(2, "little") + size.to_bytes(2, "little")
            target += base[low : low + size]
        if text:
            commands += bytes((len(text),)) + text
            target += text
    found = apply_delta(base, number(len(base)) + number(len(target)) + commands)
    assert found is not None
    assert found.target == target
    assert all(text in found.added for _, _, text in parts)
    if target:
        assert apply_delta(base, number(len(base)) + number(len(target) - 1) + commands) is None


def number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes((0x80 | value & 0x7F,))
        value >>= 7
    return out + bytes((value,))
