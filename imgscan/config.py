"""Configuration files: `.imgscan.toml`, or `[tool.imgscan]` in `pyproject.toml`.

The nearest file counts most: files are read from the start folder upwards to the root of its git work tree (without
one, only the start folder), and a nearer file's keys replace those of a farther one. A folder that does not belong to
the project can so never configure a scan. Keys are the long options' names; flags and `IMGSCAN_*` count more.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imgscan.errors import InputError

FILE_NAME: Final = ".imgscan.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of a configuration file: its raw TOML value and the file it comes from."""

    key: str
    value: Any
    file: Path


def discover(start: Path) -> list[Path]:
    """The configuration files that apply to `start` (a folder), nearest first."""
    folder = start.resolve()
    folders = [folder, *folder.parents]
    root = next((index for index, path in enumerate(folders) if (path / ".git").exists()), 0)
    found = (_config_file(path) for path in folders[: root + 1])
    return [path for path in found if path is not None]


def read_settings(files: Iterable[Path], known: Iterable[str]) -> dict[str, Setting]:
    """The settings of the files, nearest first. Raises InputError for a broken file or an unknown key."""
    names = sorted(known)
    settings: dict[str, Setting] = {}
    for path in files:
        for key, value in _read_table(path).items():
            if key not in names:
                raise InputError(f"unknown key {key!r} in {path}", next_step=_suggest(key, names))
            settings.setdefault(key, Setting(key=key, value=value, file=path))
    return settings


def _config_file(folder: Path) -> Path | None:
    own = folder / FILE_NAME
    if own.is_file():
        return own
    project = folder / "pyproject.toml"
    return project if project.is_file() and _tool_table(project) is not None else None


def _read_table(path: Path) -> Mapping[str, Any]:
    if path.name == "pyproject.toml":
        return _tool_table(path) or {}
    return _load(path)


def _tool_table(path: Path) -> Mapping[str, Any] | None:
    tools = _load(path).get("tool", {})
    table = tools.get("imgscan") if isinstance(tools, dict) else None
    return table if isinstance(table, dict) else None


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error


def _suggest(key: str, names: list[str]) -> str:
    near = difflib.get_close_matches(key.replace("_", "-"), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(names)}"
