"""YAML text -> nodes with positions, as compose's YAML 1.2 reader takes it. Pure.

Composed from the parser's events, without recursion in C: nesting, aliases and merge keys are bounded, a key that
comes twice and an anchor that holds itself are problems. Kinds of plain scalars are those of go-yaml v3 (`yes` is text,
`0o17` and `017` are numbers).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.nodes import OVERRIDE, RESET, Entry, ListNode, MapNode, Node, Scalar, integer, real
from imgscan.project.compose.records import Mark, Problem

_MOST_DOCUMENTS: Final = 50
MOST_NODES: Final = 100_000
"""Nodes of a compose file's document."""
_DEEPEST: Final = 100
_MERGE: Final = "<<"
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS: Final = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_INT: Final = lazy_re(r"[-+]?(0b[01][01_]*|0o[0-7][0-7_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT: Final = lazy_re(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TIME: Final = lazy_re(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[+-]..:..)?)?"
)
_STANDARD: Final = {f"tag:yaml.org,2002:{kind}": kind for kind in ("str", "int", "float", "bool", "null")}


@frozen
class Documents:
    """The documents of a file, and what is wrong with them; those before a fault are still there."""

    roots: tuple[Node, ...]
    problems: tuple[Problem, ...]


class _FaultError(Exception):
    def __init__(self, kind: str, message: str, at: Mark) -> None:
        super().__init__(message)
        self.problem = Problem(kind=kind, message=message, at=at)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A collection that has not ended yet: keys and values in turn, or items."""

    event: Any
    is_map: bool
    nodes: list[Node] = field(default_factory=list)


def read_yaml(text: str, file: str, base: str = "", *, most_nodes: int = MOST_NODES) -> Documents:
    """Every document of the text. `base`: the folder that relative paths in it start from. `most_nodes` bounds the
    values of a document, with every alias counted as what it stands for."""
    reader = _Reader(file=file, base=base, text=text, most=most_nodes)
    roots: list[Node] = []
    try:
        roots.extend(reader.documents())
    except _FaultError as fault:
        reader.problems.append(fault.problem)
    return Documents(roots=tuple(roots), problems=tuple(reader.problems))


@dataclass(slots=True, kw_only=True)
class _Reader:
    file: str
    base: str
    text: str
    most: int = MOST_NODES
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)
    sizes: dict[int, tuple[int, Node]] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    merges: int = 0
    total: int = 0
    events: int = 0
    seen: int = 0

    def documents(self) -> Iterator[Node]:
        import yaml

        for event in self._events(yaml):
            done: Node | None = None
            self.events += 1
            if self.events > 2 * self.most:
                at = self._mark(event.start_mark, event.end_mark)
                raise _FaultError("limit", f"more than {self.most:,} values", at)
            match event:
                case yaml.AliasEvent():
                    done = self._aliased(event)
                case yaml.ScalarEvent():
                    done = self._scalar(event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._start(event, isinstance(event, yaml.MappingStartEvent))
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    done = self._end(event)
                case yaml.DocumentStartEvent():
                    self.anchors.clear()
                case _:
                    pass
            if done is None:
                continue
            if self.stack:
                self.stack[-1].nodes.append(done)
                continue
            self.total += self._size(done)
            self.seen += 1
            if self.total > self.most or self.seen > _MOST_DOCUMENTS:
                message = f"more than {_MOST_DOCUMENTS} documents, or {self.most:,} values in them"
                raise _FaultError("limit", message, done.at)
            yield done

    def _events(self, yaml: Any) -> Iterator[Any]:  # noqa: ANN401 - a module that is imported late
        try:
            # Bytes that are not UTF-8 come as surrogates, which the parser cannot take; offsets stay as they are.
            yield from yaml.parse(re.sub("[\ud800-\udfff]", "\ufffd", self.text), Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            where = error.problem_mark or error.context_mark
            at = self._mark(where, where) if where else _start_of(self.file)
            raise _FaultError("yaml", error.problem or error.context or "it is no YAML", at) from None
        except yaml.YAMLError as error:
            position = getattr(error, "position", 0)
            line = self.text.count("\n", 0, position) + 1
            at = Mark(file=self.file, line=line, column=1, start=position, end=position)
            raise _FaultError("yaml", "control characters are not allowed", at) from None

    def _mark(self, start: Any, end: Any) -> Mark:  # noqa: ANN401 - the parser's marks have no stub in C
        # The parser does not count a byte order mark.
        ahead = self.text.startswith("\ufeff")
        begin, stop = start.index + ahead, end.index + ahead
        return Mark(file=self.file, line=start.line + 1, column=start.column + 1, start=begin, end=stop)

    def _start(self, event: Any, is_map: bool) -> None:  # noqa: ANN401
        if len(self.stack) >= _DEEPEST:
            raise _FaultError(
                "limit", f"nested more than {_DEEPEST} deep", self._mark(event.start_mark, event.end_mark)
            )
        if event.anchor:
            self.anchors[event.anchor] = None  # an alias inside of it would hold itself
        self.stack.append(_Open(event=event, is_map=is_map))

    def _end(self, event: Any) -> Node:  # noqa: ANN401
        opened = self.stack.pop()
        start = opened.event.start_mark
        at = self._mark(start, event.end_mark)
        if not opened.event.flow_style:
            # The parser ends a block where the next thing begins, after blank lines and comments.
            ends = [node.at.end for node in opened.nodes if node.at.start >= at.start]
            at = replace(at, end=max(ends, default=at.start))
        tag = self._tag(opened.event)
        node: Node
        if opened.is_map:
            node = MapNode(at=at, entries=self._entries(opened.nodes, at), tag=tag)
        else:
            node = ListNode(at=at, items=tuple(n for n in opened.nodes if n.tag != RESET), tag=tag)
        return self._finished(node, opened.event.anchor, 1 + sum(self._size(child) for child in opened.nodes))

    def _finished(self, node: Node, anchor: str | None, size: int) -> Node:
        if size > self.most:
            raise _FaultError("limit", f"more than {self.most:,} values once its aliases are replaced", node.at)
        if not isinstance(node, Scalar):
            self.sizes[id(node)] = (size, node)  # with the node, so that no other one gets its id
        if anchor:
            self.anchors[anchor] = node
        return node

    def _size(self, node: Node) -> int:
        return 1 if isinstance(node, Scalar) else self.sizes[id(node)][0]

    def _aliased(self, event: Any) -> Node:  # noqa: ANN401
        at = self._mark(event.start_mark, event.end_mark)
        if event.anchor not in self.anchors:
            raise _FaultError("yaml", f"unknown anchor '{event.anchor}' referenced", at)
        node = self.anchors[event.anchor]
        if node is None:
            raise _FaultError("yaml", f"anchor '{event.anchor}' value contains itself", at)
        return node

    def _scalar(self, event: Any) -> Node:  # noqa: ANN401
        tag = self._tag(event)
        kind = _STANDARD.get(event.tag or "") or (plain_kind(event.value) if event.implicit[0] else "str")
        mark = self._mark(event.start_mark, event.end_mark)
        if event.style in ("|", ">"):
            written = self.text[mark.start : mark.end].rstrip()
            mark = replace(mark, end=mark.start + len(written))
        value, kind = canonical(event.value, kind)
        node = Scalar(at=mark, raw=event.value, value=value, kind=kind, base=self.base, tag=tag)
        return self._finished(node, event.anchor, 1)

    @staticmethod
    def _tag(event: Any) -> str | None:  # noqa: ANN401
        return event.tag if event.tag in (RESET, OVERRIDE) else None

    def _entries(self, nodes: list[Node], at: Mark) -> dict[str, Entry]:
        """The entries of a mapping, merge keys resolved: what is written here goes before what is merged in."""
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self.problems.append(Problem(kind="yaml", message="a key is no scalar", at=key.at))
                continue
            if key.kind not in ("str", "null"):
                self.problems.append(Problem(kind="schema", message=f"non-string key: {key.raw}", at=key.at))
            if key.value == _MERGE and key.kind == "str" and not isinstance(value, Scalar):
                for name, entry in self._merged(value).items():
                    merged.setdefault(name, entry)
                continue
            if key.value in own:
                first = own[key.value].at.line
                self.problems.append(
                    Problem(
                        kind="duplicate",
                        message=f'mapping key "{key.value}" already defined at line {first}',
                        at=key.at,
                    )
                )
            end = value.at.end if value.at.start >= key.at.end else key.at.end
            own[key.value] = Entry(at=replace(key.at, end=end), node=value)
        if not merged:
            return own
        self.merges += len(merged)
        if self.merges > self.most:
            raise _FaultError("limit", f"more than {self.most:,} keys are merged", at)
        return {name: entry for name, entry in merged.items() if name not in own} | own

    def _merged(self, value: Node) -> dict[str, Entry]:
        if isinstance(value, MapNode):
            return dict(value.entries)
        found: dict[str, Entry] = {}
        for item in value.items if isinstance(value, ListNode) else ():
            if isinstance(item, MapNode):
                for name, entry in item.entries.items():
                    found.setdefault(name, entry)
            else:
                self.problems.append(
                    Problem(kind="yaml", message="map merge requires map or sequence of maps as the value", at=item.at)
                )
        return found


def _start_of(file: str) -> Mark:
    return Mark(file=file, line=1, column=1, start=0, end=0)


def canonical(text: str, kind: str) -> tuple[str, str]:
    """A scalar's text as compose passes it on: `0777` is 511 there, `1.50` is 1.5. What is none of its kind is text."""
    try:
        match kind:
            case "int":
                return str(integer(text)), kind
            case "float":
                return _go_float(real(text)), kind
            case "bool":
                return text.lower(), kind
            case _:
                return text, kind
    except ValueError:
        return text, "str"


def _go_float(number: float) -> str:
    """A number as Go's `%v` writes it: the shortest digits, an exponent below 1e-4 and from 1e21 on."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    digits, _, exponent = f"{Decimal(repr(number)):e}".partition("e")
    power = int(exponent)
    mantissa = digits.rstrip("0").rstrip(".") if "." in digits else digits
    if power < -4 or power >= 21:
        return f"{mantissa}e{power:+03d}"
    plain = f"{Decimal(repr(number)):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def plain_kind(text: str) -> str:
    """The kind of a plain scalar: null, bool, int, float, time or str."""
    if text in _NULLS:
        return "null"
    if text in _BOOLS:
        return "bool"
    if text[0] in "+-.0123456789" and len(text) < 400:
        if _INT.fullmatch(text):
            return "int"
        if _FLOAT.fullmatch(text):
            return "float"
        if _TIME.fullmatch(text):
            return "time"
    return "str"
