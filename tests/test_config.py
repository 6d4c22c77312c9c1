"""Configuration files: which are read, which key counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgscan.config import discover, read_settings
from imgscan.errors import InputError

KNOWN = ("network", "repeats", "fail-on")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nearest_file_counts_most(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    far = write(tmp_path / ".imgscan.toml", 'network = "host"\nrepeats = 5\n')
    near = write(tmp_path / "app" / ".imgscan.toml", "repeats = 1\n")
    files = discover(tmp_path / "app")
    assert files == [near, far]
    assert {key: setting.value for key, setting in read_settings(files, KNOWN).items()} == {
        "network": "host",
        "repeats": 1,
    }


def test_nothing_above_the_work_tree_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".imgscan.toml", "repeats = 5\n")
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "app").mkdir()
    assert discover(tmp_path / "repo" / "app") == []


def test_without_git_only_the_folder_itself(tmp_path: Path) -> None:
    write(tmp_path / ".imgscan.toml", "repeats = 5\n")
    own = write(tmp_path / "app" / ".imgscan.toml", "repeats = 1\n")
    assert discover(tmp_path / "app") == [own]


def test_pyproject_counts_only_with_our_table(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.other]\nx = 1\n")
    assert discover(tmp_path) == []
    path = write(tmp_path / "pyproject.toml", "[tool.imgscan]\nrepeats = 2\n")
    assert read_settings(discover(tmp_path), KNOWN)["repeats"].file == path


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        pytest.param("netwrok = 'host'", "unknown key 'netwrok'", "did you mean 'network'?", id="typo"),
        pytest.param("zzz = 1", "unknown key 'zzz'", "known keys", id="no-near-key"),
        pytest.param("network = ", "not valid TOML", "", id="broken"),
        pytest.param("\udcff", "not valid TOML", "", id="no-utf-8"),
    ],
)
def test_bad_file_is_an_input_error(tmp_path: Path, text: str, told: str, hint: str) -> None:
    path = tmp_path / ".imgscan.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=told) as caught:
        read_settings([path], KNOWN)
    assert hint in caught.value.next_step
