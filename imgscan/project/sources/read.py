"""The project's sources -> what they read from the environment, where they listen, what they serve.

In: the project tree. Out: `Sources`. Nothing is run or imported; tests, packages and generated files are left out;
what is too large or too much is left out as well.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.sources.records import Sources
from imgscan.project.tree import ProjectTree

_LANGUAGES: Final = {
    "javascript": (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx", ".vue", ".svelte", ".astro"),
    "python": (".py",),
    "golang": (".go",),
    "others": (".rb", ".ru", ".java", ".kt", ".php", ".rs", ".cs", ".ex", ".exs", ".properties", ".yml", ".yaml"),
}
_LEFT_OUT: Final = frozenset(
    {
        "dist",
        "build",
        "out",
        "target",
        "coverage",
        "test",
        "tests",
        "__tests__",
        "spec",
        "e2e",
        "cypress",
        "fixtures",
        "mocks",
        "__mocks__",
        "testdata",
    }
)
"""Folders of tests and of what builds make."""
_TEST_NAME: Final = lazy_re(
    r"(?:test_.*|.*[._-](?:test|tests|spec|stories|mock|e2e)|conftest|.*\.d|.*\.min|.*\.bundle)\.\w+", re.IGNORECASE
)
_CONFIG_OF_SPRING: Final = lazy_re(r"application(?:-[\w.-]+)?\.(?:ya?ml|properties)")
_LARGEST: Final = 512 << 10
_MOST_FILES: Final = 5_000
_MOST_BYTES: Final = 48 << 20


def read_sources(tree: ProjectTree) -> Sources:
    """Everything found in the sources of a tree; files of more than 512 KiB, and those after 5,000 files or 48 MiB, are
    not read."""
    chosen: dict[str, list[str]] = {}
    seen = total = 0
    for path, file in tree.files.items():
        language = language_of(path)
        if language is None or file.size_bytes > _LARGEST:
            continue
        seen, total = seen + 1, total + file.size_bytes
        if seen > _MOST_FILES or total > _MOST_BYTES:
            break
        chosen.setdefault(language, []).append(path)
    parts = [part for language, paths in chosen.items() for part in _read(tree, language, paths)]
    return Sources(
        reads=tuple(sorted((x for part in parts for x in part.reads), key=lambda each: (each.file, each.line))),
        binds=tuple(sorted((x for part in parts for x in part.binds), key=lambda each: (each.file, each.line))),
        routes=tuple(sorted((x for part in parts for x in part.routes), key=lambda each: (each.file, each.line))),
    )


def language_of(path: str) -> str | None:
    """The module that reads such a file; None for tests, for what builds make, and for any other file."""
    folder, name = posixpath.split(path)
    if _TEST_NAME.fullmatch(name) or any(part in _LEFT_OUT or part.startswith(".") for part in folder.split("/")):
        return None
    found = next((language for language, ends in _LANGUAGES.items() if name.endswith(ends)), None)
    if found == "others" and name.endswith((".yml", ".yaml", ".properties")) and not _CONFIG_OF_SPRING.fullmatch(name):
        return None
    return found


def _read(tree: ProjectTree, language: str, paths: list[str]) -> Iterator[Sources]:
    texts = {path: text for path in paths if (text := tree.text(path)) and "\0" not in text}
    manifests = {path: tree.text(path) or "" for path in tree.named("package.json")} if language == "javascript" else {}
    if texts:
        yield import_module(f"imgscan.project.sources.{language}").read(texts, manifests)
