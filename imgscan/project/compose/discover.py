"""Which compose files of a tree belong together. In: the tree. Out: `Found`s. Pure.

Compose takes `compose.yaml` and its override by itself; a file with another word in its name goes over its neighbour,
and one that only declares volumes or networks is a project of its own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.environment import EXAMPLES, project_environment
from imgscan.project.compose.places import inside
from imgscan.project.tree import ProjectTree, is_aside

DEFAULTS: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""The names that compose looks for, the one it prefers first."""
_OVERRIDES: Final = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_DEEPEST: Final = 3
_MOST: Final = 500
_VARIANT: Final = lazy_re(r"(?:docker-)?compose[.-]([\w.-]+)\.ya?ml")
_YAML: Final = lazy_re(r"[\w.-]+\.ya?ml")
_COMPOSE_FOLDERS: Final = frozenset({"docker", "compose", ".docker", "deploy", "infra"})
_FOR_TESTS: Final = frozenset({"test", "tests", "testing", "e2e"})
_TOP_KEY: Final = lazy_re(r"^([\w-]+):", re.MULTILINE)
_TOP_KEYS: Final = frozenset({"volumes", "networks", "secrets", "configs", "name", "version"})


@frozen
class Found:
    """Files in the order of merging, and the folder that compose is started in to find them by itself."""

    files: tuple[str, ...]
    started_in: str


def find_projects(tree: ProjectTree) -> list[Found]:
    """The projects at the root and in folders three deep; `compose.override` goes with what it overrides, each other
    variant makes a project of its own over the same base. COMPOSE_FILE of a folder's .env goes before names. Examples,
    tests and documentation are left out, and so are variants for tests (`compose.test.yaml`)."""
    found: dict[tuple[str, ...], Found] = {}
    for folder in _folders_with_files_named(tree):
        named = _named_files(tree, folder)
        if named:
            found[named] = Found(files=named, started_in=folder)
    for folder, names in sorted(_by_folder(tree).items()):
        for files in _of_folder(tree, folder, names):
            found.setdefault(files, Found(files=files, started_in=folder))
        if len(found) >= _MOST:
            break
    return list(found.values())[:_MOST]


def _folders_with_files_named(tree: ProjectTree) -> list[str]:
    folders = {path.rpartition("/")[0] for path in tree.named(".env", *EXAMPLES) if not is_aside(path)}
    return sorted(folder for folder in folders if not folder or folder.count("/") < _DEEPEST)


def _named_files(tree: ProjectTree, folder: str) -> tuple[str, ...]:
    """The files of COMPOSE_FILE, none if one of them is not in the tree."""
    values = project_environment(tree, folder, ()).values
    separator = values.get("COMPOSE_PATH_SEPARATOR") or ":"
    written = [name for name in values.get("COMPOSE_FILE", "").split(separator) if name]
    paths = [inside(tree, folder, name) for name in written]
    found = tuple(path for path in paths if path and path in tree.files)
    return found if len(found) == len(written) else ()


def _by_folder(tree: ProjectTree) -> dict[str, list[str]]:
    """The names of YAML files by folder."""
    names: dict[str, list[str]] = {}
    for path in tree.files:
        folder, _, name = path.rpartition("/")
        near = not folder or folder.count("/") < _DEEPEST
        if near and name.endswith((".yml", ".yaml")) and not is_aside(path):
            names.setdefault(folder, []).append(name)
    return names


def _of_folder(tree: ProjectTree, folder: str, names: list[str]) -> Iterator[tuple[str, ...]]:
    base, override = (
        next((posixpath.join(folder, name) for name in wanted if name in names), None)
        for wanted in (DEFAULTS, _OVERRIDES)
    )
    if base is not None:
        yield (base, override) if override else (base,)
    for name in names:
        if name in DEFAULTS or name in _OVERRIDES:
            continue
        path = posixpath.join(folder, name)
        variant = _VARIANT.fullmatch(name)
        if variant is not None:
            if _FOR_TESTS & set(re.split(r"[._-]", variant[1].lower())):
                continue
            yield (base, path) if base and not _stands_alone(tree, path) else (path,)
        elif folder.rpartition("/")[2] in _COMPOSE_FOLDERS and _YAML.fullmatch(name) and _declares_only(tree, path):
            yield (path,)


def _stands_alone(tree: ProjectTree, path: str) -> bool:
    """Whether every service of the file has an image or a build of its own."""
    from imgscan.project.compose.nodes import child, entries_of
    from imgscan.project.compose.yamltree import read_yaml

    roots = read_yaml(tree.text(path) or "", path).roots
    services = [entry.node for root in roots for entry in entries_of(child(root, "services")).values()]
    return bool(services) and all({"image", "build", "extends"} & set(entries_of(node)) for node in services)


def _declares_only(tree: ProjectTree, path: str) -> bool:
    """Whether a file has top-level keys of compose alone, and no service."""
    keys = set(_TOP_KEY.findall(tree.text(path) or ""))
    return bool(keys & {"volumes", "networks"}) and keys <= _TOP_KEYS
