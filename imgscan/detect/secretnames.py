"""Files that hold credentials by their name: the table of `rules/context.yml`, compiled.

In: a path of the context. Out: what it is, and which content would confirm it.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from imgscan.frozen import frozen
from imgscan.rulebook import load_yaml, rules_dir


@frozen
class SecretName:
    """What a file of that name is. `content`: the file counts only if one of these words is in it; `sure`: it mostly
    holds a secret; `in_tests`: it lies in a folder of tests or examples."""

    what: str
    content: tuple[str, ...]
    sure: bool
    in_tests: bool


@frozen
class _Row:
    what: str
    content: tuple[str, ...]
    sure: bool
    names: re.Pattern[str] | None
    endings: tuple[str, ...]


@cache
def context_tables() -> Mapping[str, Any]:
    """`rules/context.yml` as it stands: thresholds and name tables."""
    tables: Mapping[str, Any] = load_yaml(rules_dir() / "context.yml")
    return tables


def secret_name(path: str) -> SecretName | None:
    """What a file of the context holds by its name; None for ordinary files and for templates."""
    rows, templates, any_name, endings, test_folders = _compiled()
    name = posixpath.basename(path)
    if not any_name.match(name) and not ("/" + path).endswith(endings):
        return None
    if templates.match(name):
        return None
    row = next((row for row in rows if _takes(row, path, name)), None)
    if row is None:
        return None
    in_tests = not test_folders.isdisjoint(path.lower().split("/")[:-1])
    return SecretName(what=row.what, content=row.content, sure=row.sure, in_tests=in_tests)


def is_template(path: str) -> bool:
    """Whether the name says that the file is an example to copy."""
    return _compiled()[1].match(posixpath.basename(path)) is not None


def _takes(row: _Row, path: str, name: str) -> bool:
    if row.names is not None and row.names.match(name):
        return True
    return bool(row.endings) and ("/" + path).endswith(row.endings)


@cache
def _compiled() -> tuple[tuple[_Row, ...], re.Pattern[str], re.Pattern[str], tuple[str, ...], frozenset[str]]:
    tables = context_tables()
    rows = tuple(
        _Row(
            what=row["what"],
            content=tuple(row.get("content", ())),
            sure=row.get("sure", True),
            names=_globs(row["name"]) if "name" in row else None,
            endings=tuple("/" + ending for ending in row.get("path", ())),
        )
        for row in tables["secret_names"]
    )
    every = [name for row in tables["secret_names"] for name in row.get("name", ())]
    endings = tuple(ending for row in rows for ending in row.endings)
    return rows, _globs(tables["template_names"]), _globs(every), endings, frozenset(tables["test_folders"])


def _globs(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns), re.IGNORECASE)
