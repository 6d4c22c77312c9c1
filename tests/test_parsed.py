"""YAML that was parsed once: the kept copy is used as long as it can be trusted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imgscan.parsed import _parse, load_parsed, parsed_once
from imgscan.rulebook import rules_dir

LOAD = "import sys, json; from pathlib import Path; from imgscan.parsed import load_parsed; "
LOAD += "d = load_parsed(Path(sys.argv[1])); print(json.dumps([d, 'yaml' in sys.modules]))"


def load(path: Path, cache: Path) -> tuple[object, bool]:
    """The document as a new process gets it, and whether it had to be parsed."""
    import json
    import os

    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)],
        env=environment,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stderr == b""
    document, parsed = json.loads(done.stdout)
    return document, parsed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.yml"
    path.write_text("rules: [{id: one, weight: 3, on: true, ratio: 0.5, none: ~}]\n")
    return path


DOCUMENT = {"rules": [{"id": "one", "weight": 3, True: True, "ratio": 0.5, "none": None}]}
AS_JSON = {"rules": [{"id": "one", "weight": 3, "true": True, "ratio": 0.5, "none": None}]}


def kept(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "imgscan" / "parsed").iterdir()
    return found


def test_a_kept_copy_is_used(source: Path, tmp_path: Path) -> None:
    assert load(source, tmp_path) == (AS_JSON, True)
    assert load(source, tmp_path) == (AS_JSON, False)


def test_a_changed_file_is_parsed(source: Path, tmp_path: Path) -> None:
    load(source, tmp_path)
    source.write_text("[]\n")
    assert load(source, tmp_path) == ([], True)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"one")] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def for_all(path: Path) -> None:
    path.chmod(0o666)


def folder_for_all(path: Path) -> None:
    path.parent.chmod(0o777)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "change", [flip, cut, empty, grow, for_all, folder_for_all, link, folder], ids=lambda change: change.__name__
)
def test_a_copy_that_is_damaged_or_not_to_be_trusted(
    change: Callable[[Path], None], source: Path, tmp_path: Path
) -> None:
    load(source, tmp_path)
    change(kept(tmp_path))
    assert load(source, tmp_path) == (AS_JSON, True)


@pytest.mark.parametrize("path", sorted(rules_dir().rglob("*.yml")), ids=lambda path: path.name)
def test_rules_come_out_as_they_are_parsed(path: Path) -> None:
    """Nothing in them is of a kind that a copy would change."""
    import msgspec

    document = _parse(path.read_bytes())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(document)) == document
    assert load_parsed(path) == document


def test_nothing_can_be_kept(source: Path, tmp_path: Path) -> None:
    (tmp_path / "imgscan").write_bytes(b"a file where a folder should be")
    assert load(source, tmp_path) == (AS_JSON, True)


def test_what_else_is_made_of_the_same_bytes_is_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = b"[1, 2]"
    assert parsed_once(data, lambda text: text.decode(), "text", kind=str) == "[1, 2]"
    assert parsed_once(data, lambda text: len(text), "length", kind=int) == 6
    assert parsed_once(data, lambda text: "not asked", "text", kind=str) == "[1, 2]"
    assert parsed_once(data, lambda text: [3], "text", kind=list[int]) == [3], "kept of another kind: made anew"


def test_what_cannot_be_parsed_is_told_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(text: bytes) -> int:
        raise ValueError(len(text))

    for _ in range(2):
        with pytest.raises(ValueError, match="3"):
            parsed_once(b"abc", fail, "never", kind=int)
    assert not list(tmp_path.rglob("*.msgpack"))
