"""Syntax trees of sources by tree-sitter: made, walked, asked. Pure; grammars are imported when they are first needed.

Trees of hostile texts are as deep as the text is long, so nothing here calls itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser

_MOST_NODES: Final = 1_000_000
_GRAMMARS: Final = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
}
_JAVASCRIPT: Final = frozenset(
    [
        *("variable_declarator", "assignment_pattern", "pair", "import_statement", "call_expression"),
        *("function_declaration", "arrow_function", "function_expression", "member_expression", "new_expression"),
        *("subscript_expression", "object_pattern", "if_statement", "decorator"),
        *("required_parameter", "optional_parameter"),
    ]
)
_KINDS: Final = {
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "tsx": _JAVASCRIPT,
    "go": frozenset({"call_expression", "raw_string_literal", "keyed_element"}),
}
"""The kinds of nodes that anybody asks for."""
_WRAPPERS: Final = frozenset(
    {"parenthesized_expression", "non_null_expression", "as_expression", "satisfies_expression", "await_expression"}
)


@cache
def _language(name: str) -> Language:
    from tree_sitter import Language

    module, function = _GRAMMARS[name]
    return Language(getattr(import_module(module), function)())


@cache
def _parser(name: str) -> Parser:
    from tree_sitter import Parser

    return Parser(_language(name))


class Syntax:
    """A parsed text. Offsets of nodes are bytes; `character` makes characters of them."""

    def __init__(self, language: str, text: str) -> None:
        self.language = language
        self.text = text
        self.data = text.encode("utf-8", "surrogatepass")
        self.tree = _parser(language).parse(self.data)  # it owns the nodes
        self.root: Node = self.tree.root_node
        self._starts: list[int] | None = None
        self._nodes: tuple[Node, ...] | None = None

    def character(self, offset: int) -> int:
        """The character at a byte offset."""
        if len(self.data) == len(self.text):
            return offset
        if self._starts is None:
            self._starts = [0, *accumulate(len(char.encode("utf-8", "surrogatepass")) for char in self.text)]
        return bisect_right(self._starts, offset) - 1

    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the kinds that are asked for, parents first, in the order of the text; of the first 1,000,000
        nodes of the tree. Found once: not by a query, whose time grows with the square of the tree's depth."""
        if self._nodes is None:
            self._nodes = tuple(self._walk(_KINDS[self.language]))
        return self._nodes

    def _walk(self, kinds: frozenset[str]) -> Iterator[Node]:
        cursor = self.tree.walk()
        for _ in range(_MOST_NODES):
            node = cursor.node
            if node is not None and node.type in kinds:
                yield node
            if cursor.goto_first_child():
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return

    def of(self, node: Node | None) -> str:
        """A node's text; empty for none."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogatepass") if node else ""


def line_of(node: Node) -> int:
    """The 1-based line on which a node begins."""
    return node.start_point[0] + 1


def unwrapped(node: Node | None) -> Node | None:
    """The expression inside of parentheses, assertions of its type and the like."""
    while node is not None and node.type in _WRAPPERS and node.named_child_count:
        node = node.named_child(0)
    return node


def wrapped(node: Node) -> Node:
    """The outermost of those around an expression."""
    while (parent := node.parent) is not None and parent.type in _WRAPPERS:
        node = parent
    return node


def named(node: Node | None) -> list[Node]:
    """The named children without comments."""
    return [child for child in node.named_children if child.type != "comment"] if node else []
