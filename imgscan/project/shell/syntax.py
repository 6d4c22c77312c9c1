"""Shell text -> a syntax tree of tree-sitter-bash, within bounds. Nothing is run.

The grammar is error-tolerant: what it cannot place becomes an ERROR node, and every reader here leaves those alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from imgscan.frozen import frozen
from imgscan.project.shell.heredocs import without_heredocs

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_TEXT: Final = 256 << 10
_DEEPEST: Final = 120
_MOST_NODES: Final = 200_000


@frozen(kw_only=False)
class Syntax:
    """A parsed text. `chars` turns byte offsets of the tree into those of the text (None: they are the same);
    `heredocs` are the texts of heredocs by the offset of their `<<`."""

    text: str
    data: bytes
    root: Node
    chars: tuple[int, ...] | None
    heredocs: dict[int, str]

    def source(self, node: Node) -> str:
        """The text of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")

    def offset(self, byte: int) -> int:
        """The character at a byte of the tree."""
        return byte if self.chars is None else self.chars[byte]


@cache
def _parser() -> Parser:
    # Loading the grammar takes longer than `imgscan --help` may: only who reads scripts pays for it.
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def parse_shell(text: str) -> Syntax | None:
    """The tree of a text; None for one that is too large, too deeply nested, or has too many parts to be walked."""
    if len(text) > MAX_TEXT:
        return None
    plain, heredocs = without_heredocs(text)
    data = plain.encode("utf-8", "surrogateescape")
    root = _parser().parse(data).root_node
    if not _within_bounds(root):
        return None
    chars = None if len(data) == len(plain) else _char_offsets(plain)
    return Syntax(text=text, data=data, root=root, chars=chars, heredocs=heredocs)


def _within_bounds(root: Node) -> bool:
    cursor, depth, nodes = root.walk(), 0, 0
    while True:
        nodes += 1
        if depth > _DEEPEST or nodes > _MOST_NODES:
            return False
        if cursor.goto_first_child():
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return True
            depth -= 1


def _char_offsets(text: str) -> tuple[int, ...]:
    offsets: list[int] = []
    for at, char in enumerate(text):
        offsets += [at] * len(char.encode("utf-8", "surrogateescape"))
    return (*offsets, len(text))


def descendants(node: Node, *kinds: str) -> Iterator[Node]:
    """The nodes of these kinds below a node, in the order of the text."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if found.type in kinds:
            yield found
        waiting += reversed(found.children)
