"""The path tables of `rules/layers.yml`, compiled so that half a million paths are told apart in well under a second.

A folder is looked at once and its answer kept, since listings come folder by folder; a file costs one dictionary
look-up and, outside of known folders, one test of its name. Every pattern is data: what is compared here are whole
names, from the end of a path upwards, so that no path costs more than its depth.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.model import Severity
from imgscan.rulebook import load_yaml, rules_dir

CACHE_RULE: Final = "layer-left-behind-cache"
JUNK_RULE: Final = "layer-junk"
DEVELOPMENT_RULE: Final = "layer-dev-dependencies"
_MEMO_LIMIT: Final = 20_000
_NAME_MAX: Final = 255
"""Of Linux, in bytes; entries of an archive may be called by more."""
_DIGITS: Final = "0123456789"
_NUMBER: Final = "#"


@frozen
class Kind:
    """A row of a table: what is found, by which rule, the sentence that removes it.

    `always`: whatever it weighs. `everywhere`: also in installed packages and system folders. `general`: a row that
    knows better may claim what lies inside. `copied`: only what the build context brought. `severity`: instead of what
    size and rule say. `spared`: names of files inside that belong there. `unless_below`: folders in which the name is
    another thing's.
    """

    rule_id: str
    name: str
    fix: str
    always: bool = False
    everywhere: bool = False
    general: bool = False
    copied: bool = False
    severity: Severity | None = None
    spared: frozenset[str] = frozenset()
    unless_below: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The rule and the row's name."""
        return f"{self.rule_id}/{self.name}"

    def means_else(self, path: str) -> bool:
        """Whether the path lies in a folder in which the name means something else."""
        return bool(self.unless_below) and not self.unless_below.isdisjoint(path.split("/"))


@frozen
class Hit:
    """A folder or file that a row takes: `top` is the folder everything below which belongs to it."""

    kind: Kind
    top: str
    package: str | None = None


@frozen
class Folder:
    """What is known of a folder: the row it belongs to, whether it is the application's own, whether those right in it
    are named instead of it."""

    hit: Hit | None
    own: bool
    opens: bool = False


class PathTable:
    """All tables; `hit_of` says which row a file belongs to. State: the folders and names seen so far, as many as are
    bearable; what is remembered of them depends on nothing else."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.by_name: dict[str, list[_Pattern]] = {}
        self.file_names: dict[str, Kind] = {}
        self.file_paths: dict[str, Kind] = {}
        self.suffixes: dict[str, Kind] = {}
        self.kinds: dict[str, Kind] = {}
        for pattern in _patterns(tables["kept"], None):
            self._add(pattern)
        for rule_id, rows in ((CACHE_RULE, tables["caches"]), (JUNK_RULE, tables["junk"])):
            for row in rows:
                kind = _kind(rule_id, row)
                self.kinds.setdefault(kind.key, kind)
                self._add_row(kind, row)
        self.names_of_paths = frozenset(map(posixpath.basename, self.file_paths))
        self.any_suffix = tuple(self.suffixes)
        telling = [name.encode() for name in (*self.names_of_paths, *self.file_names, *self.suffixes)]
        # What a name that is not numbered must end with to be told by.
        self.telling_bytes = min(map(len, telling), default=1)
        self.telling_ends = frozenset(name[-self.telling_bytes :] for name in telling)
        places = tables["places"]
        self.system, self.not_system = frozenset(places["system"]), frozenset(places["not_system"])
        self.package_folders, self.runtimes = frozenset(places["packages"]), tuple(places["runtimes"])
        self.python_folders = frozenset(places["python_packages"])
        development = tables["development"]
        self.development = Kind(rule_id=DEVELOPMENT_RULE, name="development dependencies", fix=development["fix"])
        self.kinds[self.development.key] = self.development
        self.node = frozenset(name for name in development["node"] if not name.endswith("/"))
        self.scopes = frozenset(name.rstrip("/") for name in development["node"] if name.endswith("/"))
        self.python = frozenset(development["python"])
        self.folders: dict[str, Folder] = {}
        self.names: dict[str, bool] = {}
        self.kinds_of_names: dict[str, Kind] = {}
        # Files come folder by folder, and comparing a string is cheaper than hashing it.
        self.latest = "", Folder(hit=None, own=True)

    def hit_of(self, path: str) -> Hit | None:
        """The row that a file with an absolute path belongs to."""
        folder_path, _, name = path.rpartition("/")
        folder = self._folder_of(folder_path)
        hit = folder.hit
        if hit is not None and not hit.kind.general:
            return None if name in hit.kind.spared else hit
        says = self.names.get(name)
        if says if says is not None else self._says_something(name):
            kind = self._named(path, name)
            if kind is not None and (folder.own or kind.everywhere):
                return Hit(kind=kind, top=path)
        return None if hit is not None and name in hit.kind.spared else hit

    def knows_folder(self, path: str) -> bool:
        """Whether files right in a folder, of an absolute path or "" for the root, may be a row's by the folder; those
        in others are only by their names."""
        return self._folder_of(path).hit is not None

    def knows_name(self, name: bytes) -> bool:
        """Whether a file may be a row's by its name, as it stands in an archive."""
        if name.isascii() and name[-self.telling_bytes :] not in self.telling_ends and not name[-1:].isdigit():
            return False
        text = path_text(name)
        says = self.names.get(text)
        return self._says_something(text) if says is None else says

    def is_system(self, path: str) -> bool:
        """Whether a file with an absolute path lies in a folder of the distribution."""
        above = path
        while above := above.rpartition("/")[0]:
            if above in self.not_system:
                return False
            if above in self.system:
                return True
        return False

    def _folder_of(self, path: str) -> Folder:
        known_path, folder = self.latest
        if path != known_path:
            folder = self.folders.get(path) or self._folder(path)
            self.latest = path, folder
        return folder

    def _says_something(self, name: str) -> bool:
        """Whether a file may be a row's by its name; remembered, since in all folders files are called the same."""
        if len(self.names) > _MEMO_LIMIT:
            self.names.clear()
            self.kinds_of_names.clear()
        kind = self._of_name(name)
        says = kind is not None or name in self.names_of_paths
        if len(name) <= _NAME_MAX:
            self.names[name] = says
            if kind is not None:
                self.kinds_of_names[name] = kind
        return says

    def _named(self, path: str, name: str) -> Kind | None:
        """The row of a file: by its whole path, or by its name."""
        kind = self.file_paths.get(path) or self.kinds_of_names.get(name) or self._of_name(name)
        return None if kind is None or kind.means_else(path) else kind

    def _of_name(self, name: str) -> Kind | None:
        """The row of a file's name: all of it, up to its number, its end."""
        kind = self.file_names.get(name)
        if kind is None and name[-1:] in _DIGITS:
            kind = self.file_names.get(name.rstrip(_DIGITS) + _NUMBER)
        if kind is None and name.endswith(self.any_suffix):
            kind = next(kind for suffix, kind in self.suffixes.items() if name.endswith(suffix))
        return kind

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
        hit = parent.hit
        if hit is not None and not hit.kind.general:
            return parent
        above, _, name = path.rpartition("/")
        own = parent.own and path not in self.system and not self._holds_packages(above, name)
        own = own or path in self.not_system
        for pattern in self.by_name.get(name, ()):
            if pattern.takes(path, own=own):
                kind = pattern.kind
                if kind is None:
                    return Folder(hit=None, own=False)
                return Folder(hit=Hit(kind=kind, top=path), own=own and not kind.general, opens=kind.general)
        package = self._development_package(above, name)
        if package:
            hit = Hit(kind=self.development, top=path, package=package)
        elif hit is not None and parent.opens:
            hit = Hit(kind=hit.kind, top=path)
        return Folder(hit=hit, own=own)

    def _holds_packages(self, above: str, name: str) -> bool:
        """Whether others' code lies in it: a folder of packages, or the library of a language's runtime."""
        return name in self.package_folders or (name.startswith(self.runtimes) and above.endswith("/lib"))

    def _development_package(self, above: str, name: str) -> str | None:
        parent, _, container = above.rpartition("/")
        if container == "node_modules" and (name in self.node or name in self.scopes):
            return name
        if container.startswith("@") and parent.endswith("/node_modules") and f"{container}/{name}" in self.node:
            return f"{container}/{name}"
        return name if container in self.python_folders and name in self.python else None

    def _add_row(self, kind: Kind, row: Mapping[str, Any]) -> None:
        for pattern in _patterns(row.get("folders", ()), kind):
            self._add(pattern)
        for name in row.get("names", ()):
            (self.file_paths if name.startswith("/") else self.file_names)[name] = kind
        self.suffixes.update(dict.fromkeys(row.get("suffixes", ()), kind))

    def _add(self, pattern: _Pattern) -> None:
        self.by_name.setdefault(pattern.parts[-1], []).append(pattern)


@frozen
class _Pattern:
    """A folder by the last parts of its path, or by all of them; a part `*` is any one name. Without a kind: a folder
    inside a cache that is needed at run time."""

    parts: tuple[str, ...]
    rooted: bool
    kind: Kind | None

    def takes(self, path: str, *, own: bool) -> bool:
        """Whether a folder whose name is the pattern's last part is meant."""
        parts = path.rsplit("/", len(self.parts))
        if len(parts) <= len(self.parts) or (self.rooted and parts[0]):
            return False
        if any(part not in (name, "*") for part, name in zip(self.parts, parts[1:], strict=True)):
            return False
        kind = self.kind
        if kind is None:
            return True
        return (own or kind.everywhere or self.rooted) and not kind.means_else(path)


def _patterns(folders: Iterable[str], kind: Kind | None) -> Iterator[_Pattern]:
    for folder in folders:
        yield _Pattern(parts=tuple(folder.strip("/").split("/")), rooted=folder.startswith("/"), kind=kind)


def _kind(rule_id: str, row: Mapping[str, Any]) -> Kind:
    severity = row.get("severity")
    return Kind(
        rule_id=rule_id,
        name=row["kind"],
        fix=row["fix"],
        always=row.get("always", False),
        everywhere=row.get("everywhere", rule_id == CACHE_RULE),
        general=row.get("general", False),
        copied=row.get("copied", False),
        severity=Severity(severity) if severity else None,
        spared=frozenset(row.get("spared", ())),
        unless_below=frozenset(row.get("unless_below", ())),
    )


@cache
def path_table() -> PathTable:
    """The tables, compiled."""
    return PathTable(layer_tables())


@cache
def layer_tables() -> Mapping[str, Any]:
    """`rules/layers.yml` as it stands: thresholds and path tables."""
    tables: Mapping[str, Any] = load_yaml(rules_dir() / "layers.yml")
    return tables


def thresholds() -> Mapping[str, int]:
    """The sizes from which on something is worth a finding, in bytes."""
    values: Mapping[str, int] = layer_tables()["thresholds"]
    return values
