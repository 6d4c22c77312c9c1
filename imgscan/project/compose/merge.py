"""Two compose files, or a service and the one it extends -> one, by the rules of each key. Pure.

The rules are those of compose-go's package `override`: mappings are joined, lists appended, commands replaced, and of
entries that mean the same thing (a mount's target, a variable's name) the later one stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.project.compose.nodes import OVERRIDE, RESET, Entry, ListNode, MapNode, Node, Scalar, is_null, pairs
from imgscan.project.compose.ports import port_key
from imgscan.project.compose.records import Problem
from imgscan.project.compose.volumespec import mount_target

Path = tuple[str, ...]

_REPLACED: Final = frozenset({("command",), ("entrypoint",), ("healthcheck", "test")})
_PAIRS: Final = frozenset(
    {
        ("annotations",),
        ("build", "args"),
        ("build", "additional_contexts"),
        ("build", "labels"),
        ("deploy", "labels"),
        ("environment",),
        ("labels",),
        ("sysctls",),
    }
)
_STRINGS: Final = frozenset({("dns",), ("dns_opt",), ("dns_search",), ("env_file",), ("label_file",), ("tmpfs",)})
_EXTRA_HOSTS: Final = frozenset({("extra_hosts",), ("build", "extra_hosts")})
_NAMED: Final = frozenset({("depends_on",), ("networks",), ("models",)})


@dataclass(slots=True, kw_only=True)
class Merger:
    """Merges, and remembers what could not be. `keep_resets`: what is taken away stays marked, as there may be a file
    below that has it too."""

    keep_resets: bool = False
    problems: list[Problem] = field(default_factory=list)

    def files(self, base: Node, over: Node) -> Node:
        """Two whole files."""
        return self._merge(base, over, ())

    def services(self, base: Node, over: Node) -> Node:
        """A service and the one that goes over it."""
        return self._merge(base, over, ("services", "*"))

    def _merge(self, base: Node, over: Node, path: Path) -> Node:
        if over.tag == OVERRIDE:
            return over
        special = self._special(base, over, path)
        if special is not None:
            return special
        if is_null(over):
            return base
        if isinstance(base, MapNode):
            if isinstance(over, MapNode):
                return self._maps(base, over, path)
        elif isinstance(base, ListNode):
            if isinstance(over, ListNode):
                return replace(over, items=(*base.items, *over.items))
        else:
            return over
        self.problems.append(Problem(kind="schema", message=f"cannot override {'.'.join(path)}", at=over.at))
        return base

    def _special(self, base: Node, over: Node, path: Path) -> Node | None:
        """What the rule of this key gives, None where there is none."""
        if path[:1] in (("networks",), ("volumes",)) and path[2:] == ("labels",):
            return _joined_pairs(base, over)
        if path[:1] != ("services",) or len(path) < 3:
            return None
        key = path[2:]
        if key in _REPLACED:
            return over
        if key in _PAIRS:
            return _joined_pairs(base, over)
        if key in _STRINGS:
            return replace_items(over, (*_listed(base), *_listed(over)))
        if key in _EXTRA_HOSTS:
            return _joined_pairs(base, over)
        if key in _NAMED:
            return self._maps(_named(base, key), _named(over, key), path)
        if key == ("build",):
            return self._maps(_as_build(base), _as_build(over), path)
        if key == ("logging",) and isinstance(base, MapNode) and isinstance(over, MapNode):
            drivers = [node.entries.get("driver") for node in (base, over)]
            names = [e.node.value for e in drivers if e and isinstance(e.node, Scalar)]
            return over if len(set(names)) == 2 else self._maps(base, over, path)
        if len(key) == 2 and key[0] == "ulimits":
            return over
        return None

    def _maps(self, base: MapNode, over: MapNode, path: Path) -> MapNode:
        # The names of services, volumes and the like are `*` in a path: rules are the same for all.
        entries = dict(base.entries)
        for name, entry in over.entries.items():
            earlier = entries.get(name)
            if entry.node.tag == RESET and not self.keep_resets:
                entries.pop(name, None)
            elif entry.node.tag == RESET or earlier is None:
                entries[name] = entry
            else:
                entries[name] = Entry(at=entry.at, node=self._merge(earlier.node, entry.node, (*path, name)))
        return replace(over, entries=entries)


def without_resets(node: Node) -> Node:
    """The tree without what is tagged `!reset`: what it would take away is not there."""
    if isinstance(node, MapNode):
        kept = {
            name: replace(entry, node=without_resets(entry.node))
            for name, entry in node.entries.items()
            if entry.node.tag != RESET
        }
        return replace(node, entries=kept)
    if isinstance(node, ListNode):
        return replace(node, items=tuple(without_resets(item) for item in node.items if item.tag != RESET))
    return node


def replace_items(over: Node, items: tuple[Node, ...]) -> ListNode:
    """A list at the place of `over`."""
    return ListNode(at=over.at, items=items)


def _joined_pairs(base: Node, over: Node) -> MapNode:
    return MapNode(at=over.at, entries=pairs(base) | pairs(over))


def _listed(node: Node) -> tuple[Node, ...]:
    if isinstance(node, ListNode):
        return node.items
    return () if is_null(node) else (node,)


def _named(node: Node, key: Path) -> MapNode:
    """A list of names as a mapping from them to nothing, or for `depends_on` to the condition it stands for."""
    if isinstance(node, MapNode):
        return node
    entries: dict[str, Entry] = {}
    for item in _listed(node):
        if isinstance(item, Scalar):
            entries[item.value] = Entry(at=item.at, node=_started(item) if key == ("depends_on",) else _nothing(item))
    return MapNode(at=node.at, entries=entries)


def _nothing(item: Scalar) -> Scalar:
    return replace(item, raw="", value="", kind="null")


def _started(item: Scalar) -> MapNode:
    condition = replace(item, raw="service_started", value="service_started", kind="str")
    return MapNode(at=item.at, entries={"condition": Entry(at=item.at, node=condition)})


def _as_build(node: Node) -> MapNode:
    if isinstance(node, MapNode):
        return node
    if isinstance(node, Scalar) and node.kind != "null":
        return MapNode(at=node.at, entries={"context": Entry(at=node.at, node=node)})
    return MapNode(at=node.at, entries={})


def _pair_key(node: Node) -> str | None:
    return node.value.partition("=")[0] if isinstance(node, Scalar) else None


def _text_key(node: Node) -> str | None:
    return node.value if isinstance(node, Scalar) else None


def _env_file_key(node: Node) -> str | None:
    return _text_key(_entry(node, "path") or node)


def _entry(node: Node, key: str) -> Node | None:
    entry = node.entries.get(key) if isinstance(node, MapNode) else None
    return entry.node if entry else None


def _mounted_key(root: str) -> Callable[[Node], str | None]:
    def key(node: Node) -> str | None:
        if isinstance(node, Scalar):
            return f"{root}/{node.value}"
        target, source = _entry(node, "target"), _entry(node, "source")
        if isinstance(target, Scalar):
            return target.value
        return f"{root}/{source.value}" if isinstance(source, Scalar) else None

    return key


_KEYS: Final[dict[Path, Callable[[Node], str | None]]] = {
    **dict.fromkeys(
        [
            ("annotations",),
            ("build", "args"),
            ("build", "tags"),
            ("build", "labels"),
            ("cap_add",),
            ("cap_drop",),
            ("deploy", "labels"),
            ("dns",),
            ("dns_opt",),
            ("dns_search",),
            ("environment",),
            ("labels",),
            ("links",),
            ("profiles",),
            ("sysctls",),
            ("tmpfs",),
        ],
        _pair_key,
    ),
    ("env_file",): _env_file_key,
    ("expose",): _text_key,
    ("configs",): _mounted_key(""),
    ("secrets",): _mounted_key("/run/secrets"),
    ("ports",): port_key,
    ("volumes",): mount_target,
}


def without_doubles(service: MapNode) -> MapNode:
    """A service whose lists have one entry for each thing: the last, at the place of the first."""
    entries = dict(service.entries)
    for (first, *rest), key in _KEYS.items():
        entry = entries.get(first)
        if entry is None:
            continue
        if not rest:
            entries[first] = replace(entry, node=_single(entry.node, key))
        elif isinstance(entry.node, MapNode) and rest[0] in entry.node.entries:
            inner = entry.node.entries[rest[0]]
            below = {**entry.node.entries, rest[0]: replace(inner, node=_single(inner.node, key))}
            entries[first] = replace(entry, node=replace(entry.node, entries=below))
    networks = entries.get("networks")
    if networks is not None and isinstance(networks.node, MapNode):
        attached = {name: _single_aliases(entry) for name, entry in networks.node.entries.items()}
        entries["networks"] = replace(networks, node=replace(networks.node, entries=attached))
    return replace(service, entries=entries)


def _single_aliases(entry: Entry) -> Entry:
    if not isinstance(entry.node, MapNode) or "aliases" not in entry.node.entries:
        return entry
    aliases = entry.node.entries["aliases"]
    below = {**entry.node.entries, "aliases": replace(aliases, node=_single(aliases.node, _pair_key))}
    return replace(entry, node=replace(entry.node, entries=below))


def _single(node: Node, key: Callable[[Node], str | None]) -> Node:
    if not isinstance(node, ListNode):
        return node
    places: dict[str, int] = {}
    kept: list[Node] = []
    for item in node.items:
        name = key(item)
        if name is not None and name in places:
            kept[places[name]] = item
            continue
        if name is not None:
            places[name] = len(kept)
        kept.append(item)
    return replace(node, items=tuple(kept))
