"""The path tables of `rules/layers.yml`, compiled so that half a million paths are told apart in well under a second.

A folder is looked at once and its answer kept, since listings come folder by folder; a file costs one dictionary
look-up and, outside of known folders, one test of its name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from imgscan.rulebook import load_yaml, rules_dir

CACHE_RULE: Final = "layer-left-behind-cache"
JUNK_RULE: Final = "layer-junk"
DEVELOPMENT_RULE: Final = "layer-dev-dependencies"
_MEMO_LIMIT: Final = 200_000
_SYSTEM: Final = (
    "/usr",
    "/lib",
    "/lib64",
    "/var",
    "/etc",
    "/bin",
    "/sbin",
    "/boot",
    "/dev",
    "/proc",
    "/sys",
    "/opt/conda",
)
_NOT_SYSTEM: Final = ("/usr/src", "/var/www", "/var/app", "/var/task")
_PACKAGE_FOLDERS: Final = frozenset({"node_modules", "site-packages", "dist-packages", "vendor", "gems"})
_PYTHON_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A row of a table: what is found, by which rule, the sentence that removes it. `always`: whatever it weighs."""

    rule_id: str
    name: str
    fix: str
    always: bool = False
    everywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A folder or file that a row takes: `top` is the folder everything below which belongs to it."""

    kind: Kind
    top: str
    package: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What is known of a folder: the row it belongs to, whether it is the application's own."""

    hit: Hit | None
    own: bool


class PathTable:
    """All tables; `hit_of` says which row a file belongs to. State: the folders seen so far."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.by_name: dict[str, list[tuple[str, Kind]]] = {}
        self.file_names: dict[str, Kind] = {}
        suffixes: dict[str, Kind] = {}
        for rule_id, rows in ((CACHE_RULE, tables["caches"]), (JUNK_RULE, tables["junk"])):
            for row in rows:
                kind = Kind(
                    rule_id=rule_id,
                    name=row["kind"],
                    fix=row["fix"],
                    always=row.get("always", False),
                    everywhere=row.get("everywhere", rule_id == CACHE_RULE),
                )
                for folder in row.get("folders", ()):
                    self.by_name.setdefault(posixpath.basename(folder), []).append((folder, kind))
                self.file_names.update(dict.fromkeys(row.get("names", ()), kind))
                suffixes.update(dict.fromkeys(row.get("suffixes", ()), kind))
        self.suffixes = tuple(suffixes.items())
        self.any_suffix = tuple(suffixes)
        self.tails = frozenset(suffix[-3:] for suffix in suffixes)
        development = tables["development"]
        self.development = Kind(rule_id=DEVELOPMENT_RULE, name="development dependencies", fix=development["fix"])
        self.node = frozenset(name for name in development["node"] if not name.endswith("/"))
        self.scopes = frozenset(name.rstrip("/") for name in development["node"] if name.endswith("/"))
        self.python = frozenset(development["python"])
        self.folders: dict[str, Folder] = {}
        # Files come folder by folder, and comparing a string is cheaper than hashing it.
        self.latest_path = ""
        self.latest = Folder(hit=None, own=True)

    def hit_of(self, path: str) -> Hit | None:
        """The row that a file with an absolute path belongs to."""
        folder_path, _, name = path.rpartition("/")
        if folder_path != self.latest_path:
            self.latest = self.folders.get(folder_path) or self._folder(folder_path)
            self.latest_path = folder_path
        folder = self.latest
        if folder.hit is not None:
            return folder.hit
        if name not in self.file_names and (name[-3:] not in self.tails or not name.endswith(self.any_suffix)):
            return None
        kind = self.file_names.get(name) or next(kind for suffix, kind in self.suffixes if name.endswith(suffix))
        return Hit(kind=kind, top=path) if folder.own or kind.everywhere else None

    def _folder(self, path: str) -> Folder:
        """The folder's answer; those above it that are not known yet are looked at first, the uppermost one before."""
        if len(self.folders) > _MEMO_LIMIT:
            self.folders.clear()
        pending: list[str] = []
        at = path
        while at and at not in self.folders:
            pending.append(at)
            at = at.rpartition("/")[0]
        answer = self.folders.get(at) or Folder(hit=None, own=True)
        for folder in reversed(pending):
            answer = self._inside(answer, folder)
            self.folders[folder] = answer
        return answer

    def _inside(self, parent: Folder, path: str) -> Folder:
        if parent.hit is not None:
            return parent
        above, _, name = path.rpartition("/")
        own = (parent.own and path not in _SYSTEM and name not in _PACKAGE_FOLDERS) or path in _NOT_SYSTEM
        for pattern, kind in self.by_name.get(name, ()):
            rooted = pattern.startswith("/")
            if (path == pattern if rooted else path.endswith("/" + pattern)) and (own or kind.everywhere or rooted):
                return Folder(hit=Hit(kind=kind, top=path), own=own)
        package = self._development_package(above, name)
        hit = Hit(kind=self.development, top=path, package=package) if package else None
        return Folder(hit=hit, own=own)

    def _development_package(self, above: str, name: str) -> str | None:
        parent, _, container = above.rpartition("/")
        if container == "node_modules" and (name in self.node or name in self.scopes):
            return name
        if container.startswith("@") and parent.endswith("/node_modules") and f"{container}/{name}" in self.node:
            return f"{container}/{name}"
        return name if container in _PYTHON_FOLDERS and name in self.python else None


@cache
def layer_tables() -> Mapping[str, Any]:
    """`rules/layers.yml` as it stands: thresholds and path tables."""
    tables: Mapping[str, Any] = load_yaml(rules_dir() / "layers.yml")
    return tables


def thresholds() -> Mapping[str, int]:
    """The sizes from which on something is worth a finding, in bytes."""
    values: Mapping[str, int] = layer_tables()["thresholds"]
    return values
