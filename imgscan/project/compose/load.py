"""Compose files of one project -> one tree of nodes: interpolated, extended, included, merged. Pure.

The order is that of compose-go's loader: each document of each file is interpolated, its services are extended, what
it includes is imported, and it is merged over what came before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.project.compose.environment import Environment, paths_from, read_environment
from imgscan.project.compose.interpolate import Replaced, Use, replace_variables
from imgscan.project.compose.merge import Merger, without_doubles, without_resets
from imgscan.project.compose.nodes import (
    Entry,
    ListNode,
    MapNode,
    Node,
    Scalar,
    child,
    entries_of,
    is_null,
    items_of,
    plain,
    scalar,
)
from imgscan.project.compose.places import folder_of, inside, is_remote
from imgscan.project.compose.records import Mark, Problem, Variable
from imgscan.project.compose.schema import check_schema
from imgscan.project.compose.yamltree import Documents, read_yaml
from imgscan.project.tree import MAX_BYTES, ProjectTree

_MOST_FILES: Final = 100
_MOST_LOADS: Final = 200
_MOST_VARIABLES: Final = 20_000
_LONGEST_CHAIN: Final = 50
_SECTIONS: Final = ("services", "volumes", "networks", "secrets", "configs", "models")


@dataclass(slots=True, kw_only=True)
class Loader:
    """Loads, and remembers problems and variables on the way."""

    tree: ProjectTree
    problems: list[Problem] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    loads: int = 0
    _read: dict[tuple[str, str, int], tuple[Environment, list[MapNode]]] = field(default_factory=dict)
    _parsed: dict[tuple[str, str], Documents] = field(default_factory=dict)
    _extensions: dict[tuple[str, int], tuple[object, Node]] = field(default_factory=dict)

    def load(self, files: Sequence[str], base: str, environment: Environment, above: tuple[str, ...] = ()) -> MapNode:
        """The files merged; `base` is the folder of relative paths, `above` the files that include these."""
        merged: MapNode | None = None
        self.loads += 1
        if self.loads > _MOST_LOADS:
            self.problem("limit", f"more than {_MOST_LOADS} files are included", _start_of(files[0]))
            return MapNode(at=_start_of(files[0]), entries={})
        for path in files:
            for document in self._documents(path, base, environment):
                extended = self._extended(document, path, environment)
                imported = self._included(extended, path, base, environment, above)
                merged = imported if merged is None else self._over(merged, imported)
                merged = _tidy(merged)
                self.problems += check_schema(without_resets(merged), path)
        if merged is None:
            at = _start_of(files[0] if files else "")
            return MapNode(at=at, entries={})
        return _resets_gone(merged)

    def yaml(self, path: str, base: str) -> Documents:
        """A file as it is written, parsed once; one that is not there is empty."""
        if (path, base) not in self._parsed:
            self._parsed[path, base] = read_yaml(self.tree.text(path) or "", path, base)
        return self._parsed[path, base]

    def problem(self, kind: str, message: str, at: Mark, *, fatal: bool = True) -> None:
        """Remember what is wrong, once."""
        found = Problem(kind=kind, message=message, at=at, fatal=fatal)
        if found not in self.problems:
            self.problems.append(found)

    def _over(self, base: MapNode, over: MapNode) -> MapNode:
        merger = Merger()
        merged = merger.files(base, over)
        self.problems += merger.problems
        return merged if isinstance(merged, MapNode) else base

    def _documents(self, path: str, base: str, environment: Environment) -> list[MapNode]:
        """The documents of a file; one that several services extend is read once."""
        key = (path, base, id(environment))
        if key not in self._read:
            self._read[key] = (environment, self._read_file(path, base, environment))
        return self._read[key][1]

    def _read_file(self, path: str, base: str, environment: Environment) -> list[MapNode]:
        text = self.tree.text(path)
        if len(self.files) >= _MOST_FILES:
            self.problem("limit", f"more than {_MOST_FILES} files", _start_of(path))
            return []
        if text is None:
            size = self.tree.files[path].size_bytes if path in self.tree.files else 0
            if size > MAX_BYTES:
                self.problem("limit", f"{size:,} bytes; no more than {MAX_BYTES:,} are read", _start_of(path))
            else:
                self.problem("reference", "no such file", _start_of(path))
            return []
        if path not in self.files:
            self.files.append(path)
        documents = self.yaml(path, base)
        for problem in documents.problems:
            if problem not in self.problems:
                self.problems.append(problem)
        maps: list[MapNode] = []
        for root in documents.roots:
            if not isinstance(root, MapNode):
                self.problem("schema", "top-level object must be a mapping", root.at)
                continue
            interpolation = Interpolation(environment=environment, loader=self, text=text)
            interpolated = interpolation.node(root, ())
            if isinstance(interpolated, MapNode):
                maps.append(interpolated)
        return maps

    def _extended(self, document: MapNode, path: str, environment: Environment) -> MapNode:
        services = entries_of(child(document, "services"))
        if not any("extends" in entries_of(entry.node) for entry in services.values()):
            return document
        extended = {
            name: replace(entry, node=self._service(name, services, path, environment, ()))
            for name, entry in services.items()
        }
        held = document.entries["services"]
        node = held.node
        if not isinstance(node, MapNode):
            return document
        entries = {**document.entries, "services": replace(held, node=replace(node, entries=extended))}
        return replace(document, entries=entries)

    def _service(
        self,
        name: str,
        services: Mapping[str, Entry],
        path: str,
        environment: Environment,
        seen: tuple[tuple[str, str], ...],
    ) -> Node:
        """A service with what it extends below it; worked out once."""
        key = (name, id(services))
        if key not in self._extensions:
            self._extensions[key] = (services, self._merged_service(name, services, path, environment, seen))
        return self._extensions[key][1]

    def _merged_service(
        self,
        name: str,
        services: Mapping[str, Entry],
        path: str,
        environment: Environment,
        seen: tuple[tuple[str, str], ...],
    ) -> Node:
        node = services[name].node
        extends = entries_of(node).get("extends")
        if extends is None or not isinstance(node, MapNode):
            return node
        without = replace(node, entries={key: entry for key, entry in node.entries.items() if key != "extends"})
        reference = scalar(extends.node) or scalar(child(extends.node, "service"))
        if reference is None:
            self.problem("schema", f"extends.{name}.service is required", extends.at)
            return without
        if len(seen) > _LONGEST_CHAIN:
            self.problem("limit", f"more than {_LONGEST_CHAIN} services extend each other", extends.at)
            return without
        if (path, name) in seen:
            chain = " -> ".join(f"{one} in {file}" for file, one in (*seen, (path, name)))
            self.problem("reference", f"Circular reference with extends: {chain}", extends.at)
            return without
        file = scalar(child(extends.node, "file"))
        other, others = path, services
        if file is not None:
            found = self._other_services(file, environment)
            if found is None:
                return without
            other, others = found
        if reference.value not in others:
            message = f'cannot extend service "{name}" in {path}: service "{reference.value}" not found'
            self.problem("reference", message + (f" in {file.value}" if file else ""), reference.at)
            return without
        below = self._service(reference.value, others, other, environment, (*seen, (path, name)))
        if is_null(below):
            return without
        merger = Merger(keep_resets=True)
        merged = merger.services(without_resets(below), without)
        self.problems += merger.problems
        return merged

    def _other_services(self, file: Scalar, environment: Environment) -> tuple[str, Mapping[str, Entry]] | None:
        path = inside(self.tree, file.base, file.value)
        if path is None or path not in self.tree.files:
            outside = path is None
            message = f"{file.value} is outside of the project" if outside else f"{file.value} does not exist"
            if not file.unset:
                self.problem("reference", f"cannot extend from it: {message}", file.at, fatal=not outside)
            return None
        services: dict[str, Entry] = {}
        for document in self._documents(path, folder_of(path), environment):
            services |= dict(entries_of(child(document, "services")))
        return path, services

    def _included(
        self, document: MapNode, path: str, base: str, environment: Environment, above: tuple[str, ...]
    ) -> MapNode:
        entry = document.entries.get("include")
        if entry is None:
            return document
        rest = replace(document, entries={key: e for key, e in document.entries.items() if key != "include"})
        if not isinstance(entry.node, ListNode):
            return document  # the schema says so
        for item in entry.node.items:
            imported = self._one_include(item, path, base, environment, (*above, path))
            if imported is not None:
                rest = self._imported(rest, imported)
        return rest

    def _one_include(
        self, item: Node, path: str, base: str, environment: Environment, above: tuple[str, ...]
    ) -> MapNode | None:
        written = [one for one in items_of(item) or items_of(child(item, "path")) if isinstance(one, Scalar)]
        paths: list[str] = []
        for one in written:
            found = inside(self.tree, base, one.value)
            if one.unset or is_remote(one.value) or found is None:
                self.problem("reference", f"include {one.raw}: it is outside of the project", one.at, fatal=False)
                return None
            if found not in self.tree.files:
                self.problem("reference", f"include {one.value}: no such file", one.at)
                return None
            if found in above:
                chain = "\n include ".join((*above, found))
                self.problem("reference", f"include cycle detected:\n{chain}", one.at)
                return None
            paths.append(found)
        if not paths:
            return None
        directory = scalar(child(item, "project_directory"))
        folder = inside(self.tree, base, directory.value) if directory else folder_of(paths[0])
        if folder is None:
            self.problem("reference", "project_directory is outside of the project", item.at, fatal=False)
            return None
        below = self._include_environment(item, folder, base, environment)
        return self.load(paths, folder, below, above)

    def _include_environment(self, item: Node, folder: str, base: str, environment: Environment) -> Environment:
        named = [one for one in items_of(child(item, "env_file")) if isinstance(one, Scalar)]
        if named:
            found, lost = paths_from(self.tree, base, [one.value for one in named])
            for name in lost:
                self.problem("reference", f"env_file {name} is outside of the project", item.at, fatal=False)
            own = read_environment(self.tree, found, known=environment.values)
        else:
            default = f"{folder}/.env" if folder else ".env"
            present = default in self.tree.files
            own = read_environment(self.tree, (default,) if present else (), known=environment.values)
        self.problems += [problem for problem in own.problems if problem not in self.problems]
        return environment.over(own)

    def _imported(self, document: MapNode, imported: MapNode) -> MapNode:
        """The document with the services and so on that it includes; what is in both has to be the same."""
        entries = dict(document.entries)
        for section in _SECTIONS:
            theirs = entries_of(child(imported, section))
            if not theirs:
                continue
            held = entries.get(section)
            own = dict(entries_of(held.node)) if held else {}
            for name, entry in theirs.items():
                if name not in own:
                    own[name] = entry
                elif plain(own[name].node) != plain(entry.node):
                    self.problem("reference", f"{section}.{name} conflicts with imported resource", own[name].at)
            at = held.at if held else imported.at
            entries[section] = Entry(at=at, node=MapNode(at=at, entries=own))
        return replace(document, entries=entries)


@dataclass(slots=True, kw_only=True)
class Interpolation:
    """Replaces the variables of one document."""

    environment: Environment
    loader: Loader
    text: str
    done: dict[int, tuple[Node, Node]] = field(default_factory=dict)

    def node(self, node: Node, path: tuple[str, ...]) -> Node:
        """The node with its variables replaced; what several aliases share stays shared."""
        if isinstance(node, Scalar):
            return self._scalar(node, path) if node.kind == "str" and "$" in node.value else node
        known = self.done.get(id(node))
        if known is not None:
            return known[1]
        made: Node
        if isinstance(node, ListNode):
            made = replace(node, items=tuple(self.node(item, (*path, "[]")) for item in node.items))
        else:
            made = replace(
                node,
                entries={
                    key: replace(entry, node=self.node(entry.node, (*path, key))) for key, entry in node.entries.items()
                },
            )
        self.done[id(node)] = (node, made)
        return made

    def _scalar(self, node: Scalar, path: tuple[str, ...]) -> Scalar:
        replaced = replace_variables(node.value, self.environment.values)
        where = ".".join(path)
        self._record(node, replaced, where)
        if replaced.invalid:
            message = f"invalid interpolation format for {where}: you may need to escape any $ with another $"
            self.loader.problem("interpolation", message, node.at)
        for name, why in replaced.missing:
            message = f"error while interpolating {where}: required variable {name} is missing a value"
            # Without any file of variables the value may come from where compose is run.
            fatal = bool(self.environment.files) and not self.environment.stands_in
            self.loader.problem("interpolation", message + (f": {why}" if why else ""), node.at, fatal=fatal)
        return replace(node, value=replaced.value, unset=replaced.unset)

    def _record(self, node: Scalar, replaced: Replaced, where: str) -> None:
        at = node.at.start
        if len(self.loader.variables) > _MOST_VARIABLES:
            self.loader.problem("limit", f"more than {_MOST_VARIABLES:,} variables", _start_of(node.at.file))
            return
        for use in replaced.uses:
            place = self.text.find(use.text, at if use.depth == 0 else node.at.start, node.at.end)
            if use.depth == 0 and place >= 0:
                at = place + len(use.text)
            mark = self._mark(node, place, use) if place >= 0 else node.at
            self.loader.variables.append(
                Variable(
                    name=use.name,
                    operator=use.operator,
                    operand=use.operand,
                    value=self.environment.values.get(use.name),
                    source=self.environment.sources.get(use.name),
                    path=where,
                    at=mark,
                    stands_in=self.environment.stands_in and use.name in self.environment.sources,
                )
            )

    def _mark(self, node: Scalar, place: int, use: Use) -> Mark:
        line_start = self.text.rfind("\n", 0, place) + 1
        line = node.at.line + self.text.count("\n", node.at.start, place)
        return Mark(file=node.at.file, line=line, column=place - line_start + 1, start=place, end=place + len(use.text))


def _tidy(root: MapNode) -> MapNode:
    """The file with services whose lists have one entry for each thing."""
    held = root.entries.get("services")
    if held is None or not isinstance(held.node, MapNode):
        return root
    services = {
        name: replace(entry, node=without_doubles(entry.node) if isinstance(entry.node, MapNode) else entry.node)
        for name, entry in held.node.entries.items()
    }
    return replace(root, entries={**root.entries, "services": replace(held, node=replace(held.node, entries=services))})


def _resets_gone(root: MapNode) -> MapNode:
    node = without_resets(root)
    return node if isinstance(node, MapNode) else root


def _start_of(file: str) -> Mark:
    return Mark(file=file, line=1, column=1, start=0, end=0)
