"""The nouns of YAML with positions: scalars, mappings and lists, each with a mark. Shared freely, never changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from imgscan.frozen import frozen
from imgscan.project.compose.records import Mark, Text

RESET: Final = "!reset"
OVERRIDE: Final = "!override"


@frozen
class Scalar:
    """A scalar: `raw` as the document has it (without quotes), `value` with variables replaced. `kind`: str, int,
    float, bool, null, time. `base` is the folder that a relative path in it starts from, empty for the tree's root."""

    at: Mark
    raw: str
    value: str
    kind: str
    base: str = ""
    tag: str | None = None
    unset: tuple[str, ...] = ()


@frozen
class Entry:
    """A key of a mapping and what it holds; `at` goes from the key to the end of its value."""

    at: Mark
    node: Node


@frozen
class MapNode:
    """A mapping, in the order written."""

    at: Mark
    entries: Mapping[str, Entry]
    tag: str | None = None


@frozen
class ListNode:
    """A list."""

    at: Mark
    items: tuple[Node, ...]
    tag: str | None = None


Node: TypeAlias = Scalar | MapNode | ListNode


def child(node: Node | None, *keys: str) -> Node | None:
    """What stands under the keys, one below the other; None if there is nothing or it is null."""
    for key in keys:
        entry = node.entries.get(key) if isinstance(node, MapNode) else None
        node = entry.node if entry else None
    return None if node is None or is_null(node) else node


def is_null(node: Node) -> bool:
    """Whether it is `null`, `~` or nothing."""
    return isinstance(node, Scalar) and node.kind == "null"


def scalar(node: Node | None) -> Scalar | None:
    """The node if it is a scalar that is not null."""
    return node if isinstance(node, Scalar) and node.kind != "null" else None


def text_of(node: Node | None) -> Text | None:
    """A scalar as a `Text`."""
    found = scalar(node)
    return Text(value=found.value, raw=found.raw, at=found.at, unset=found.unset) if found else None


def items_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; a scalar counts as a list of one, nothing as none."""
    if isinstance(node, ListNode):
        return node.items
    found = scalar(node)
    return (found,) if found else ()


def entries_of(node: Node | None) -> Mapping[str, Entry]:
    """The entries of a mapping, none for anything else."""
    return node.entries if isinstance(node, MapNode) else {}


def pairs(node: Node | None) -> dict[str, Entry]:
    """`list_or_dict` of the specification: a mapping, or a list of `KEY=value` and `KEY` (then null)."""
    if isinstance(node, MapNode):
        return dict(node.entries)
    found: dict[str, Entry] = {}
    for item in items_of(node):
        if isinstance(item, Scalar) and item.kind != "null":
            name, entry = _pair(item)
            found[name] = entry
    return found


def _pair(item: Scalar) -> tuple[str, Entry]:
    name, equals, value = item.value.partition("=")
    raw = item.raw.partition("=")[2] if equals else ""
    held = replace(item, value=value, raw=raw, kind="str" if equals else "null")
    return name, Entry(at=item.at, node=held)


def plain(node: Node) -> object:
    """The value that a JSON schema is checked against."""
    if isinstance(node, MapNode):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return plain_scalar(node)


def plain_scalar(node: Scalar) -> str | int | float | bool | None:
    """A scalar as the type that YAML gives it."""
    match node.kind:
        case "null":
            return None
        case "bool":
            return node.value.lower() == "true"
        case "int":
            return integer(node.value)
        case "float":
            return real(node.value) if node.value.lower().strip("+-") not in ("inf", "nan") else 0.0
        case _:
            # A lone surrogate (a byte that is not UTF-8) has no place in JSON.
            return node.value.encode("utf-8", "replace").decode("utf-8")


def integer(text: str) -> int:
    """A YAML integer: decimal, 0x, 0o, 0b, and 0 with octal digits. Raises ValueError."""
    digits = text.replace("_", "")
    unsigned = digits.lstrip("+-")
    if len(unsigned) > 1 and unsigned[0] == "0" and unsigned.isdigit():
        return int(digits, 8)
    return int(digits, 0)


def real(text: str) -> float:
    """A YAML number with a point or an exponent, or one of its infinities. Raises ValueError."""
    match text.lower().removeprefix("+"):
        case ".inf":
            return math.inf
        case "-.inf":
            return -math.inf
        case ".nan":
            return math.nan
        case number:
            return float(number)


def walk(node: Node) -> Iterator[Scalar]:
    """Every scalar that is a value (not a key), in the order written."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from walk(item)
    else:
        for entry in node.entries.values():
            yield from walk(entry.node)
