"""Configuration files: `.imgscan.toml`, or `[tool.imgscan]` in `pyproject.toml`.

The nearest file counts most: files are read from the start folder upwards to the root of its git work tree (without
one, only the start folder), and a nearer file's keys replace those of a farther one. A folder that does not belong to
the project can so never configure a scan. Keys are the long options' names; flags and `IMGSCAN_*` count more. Lists of
tables (`[[allow]]`, `[[waiver]]`) are no options: those of all files count together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from imgscan.alike import alike
from imgscan.errors import InputError
from imgscan.frozen import frozen

FILE_NAME: Final = ".imgscan.toml"
TABLE_LISTS: Final = ("allow", "waiver")
"""Keys that hold lists of tables."""


@frozen
class Setting:
    """One key of a configuration file: its raw TOML value and the file it comes from."""

    key: str
    value: Any
    file: Path


@frozen
class Table:
    """One table of a list, as raw TOML values, and where it is written: file and, as far as it is known, line."""

    value: Any
    where: str


def discover(start: Path) -> list[Path]:
    """The configuration files that apply to `start` (a folder), nearest first."""
    folder = start.resolve()
    # Path.is_dir raises for a name that is too long; that is for whoever reads the folder to tell.
    folders = [path for path in (folder, *folder.parents) if os.path.isdir(path)]  # noqa: PTH112
    root = next((index for index, path in enumerate(folders) if (path / ".git").exists()), 0)
    found = (_config_file(path) for path in folders[: root + 1])
    return [path for path in found if path is not None]


def read_settings(files: Iterable[Path], known: Iterable[str]) -> dict[str, Setting]:
    """The settings of the files, nearest first. Raises InputError for a broken file or an unknown key."""
    names = sorted({*known, *TABLE_LISTS})
    settings: dict[str, Setting] = {}
    for path in files:
        for key, value in _read_table(path).items():
            if key in TABLE_LISTS:
                continue
            if key not in names:
                raise InputError(f"unknown key {key!r} in {path}", next_step=_suggest(key, names))
            settings.setdefault(key, Setting(key=key, value=value, file=path))
    return settings


def read_tables(files: Iterable[Path], key: str) -> list[Table]:
    """The tables of the list `key` in all files, nearest first. Raises InputError for a broken file, or no list."""
    tables: list[Table] = []
    for path in files:
        value = _read_table(path).get(key, [])
        if not isinstance(value, list):
            raise InputError(f"{path}: {key} is a list of tables", next_step=f"write [[{key}]], with two brackets")
        lines = _table_lines(path, key)
        for number, item in enumerate(value):
            # A list in one line has no headers: then the number has to do.
            where = f"{path}:{lines[number]}" if len(lines) == len(value) else f"{path}: {key} {number + 1}"
            tables.append(Table(value=item, where=where))
    return tables


def _table_lines(path: Path, key: str) -> list[int]:
    prefix = r"tool\s*\.\s*imgscan\s*\.\s*" if path.name == "pyproject.toml" else ""
    header = re.compile(rf"\s*\[\[\s*{prefix}{key}\s*\]\]")
    text = path.read_text(encoding="utf-8", errors="replace")
    return [number for number, line in enumerate(text.split("\n"), 1) if header.match(line)]


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
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error


def _suggest(key: str, names: list[str]) -> str:
    near = alike(key.replace("_", "-"), names)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(names)}"
