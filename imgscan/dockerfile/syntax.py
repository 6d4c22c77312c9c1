"""The text of a Dockerfile -> its instructions as nodes, the way BuildKit's own parser cuts it.

Agrees with `frontend/dockerfile/parser` of moby/buildkit (parser.go, directives.go, split_command.go): which lines make
an instruction, its flags, its heredocs, and which files are refused. What each instruction means is `instructions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.dockerfile.arguments import Arguments, split_arguments
from imgscan.dockerfile.lexer import GO_SPACE, Lexer, LexError
from imgscan.dockerfile.pattern import replace_surrogates
from imgscan.dockerfile.tree import Heredoc
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

MAX_LINE_BYTES: Final = 65_535
"""bufio.MaxScanTokenSize - 1 of Go: the longest line that BuildKit reads."""
_MAX_INSTRUCTIONS: Final = 100_000
"""No engine builds so many; it bounds what a hostile file costs."""
_DIRECTIVE: Final = lazy_re(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=(.+)\Z", re.DOTALL)
_DIRECTIVES: Final = frozenset({"syntax", "escape", "check"})
_BLANKS: Final = lazy_re(r"[\t\v\f\r ]+")
_HEREDOC: Final = lazy_re(r"[0-9]*<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_LONGEST_CHAIN: Final = 100
_TAKES_HEREDOC: Final = frozenset({"run", "copy", "add"})
# Bytes that unicode.IsSpace of Go takes for a space when it is given one byte at a time, as the flag scanner does.
_BYTE_SPACES: Final = frozenset("\t\n\v\f\r \x85\xa0")


@frozen
class Node:
    """One instruction as the parser cuts it. `keyword` and `flags` (`--name=value`) are spelled as in the file, `text`
    is the whole instruction in one line, `rest` what follows keyword and flags. Lines count from 1."""

    keyword: str
    flags: tuple[str, ...]
    rest: str
    arguments: Arguments
    text: str
    line: int
    end_line: int
    start: int
    end: int
    heredocs: tuple[Heredoc, ...] = ()
    trigger: Node | None = None


@frozen
class _Line:
    """A physical line: its text with the line end, its number from 1, its offset in the file."""

    text: str
    number: int
    offset: int


@dataclass(slots=True)
class _Directives:
    """The parser directives read so far; `open` until the first line that cannot be one."""

    file: str
    escape: str = "\\"
    open: bool = True
    found: list[tuple[str, str]] = field(default_factory=list)

    def read(self, line: str, number: int) -> None:
        if not self.open:
            return
        match = _DIRECTIVE.match(line[1:].lstrip(GO_SPACE)) if line.startswith("#") else None
        name = match.group(1).lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            self.open = False
            return
        if name in dict(self.found):
            raise refused(self.file, number, f"only one {name} parser directive can be used")
        value = match.group(2).strip("\t\n\f\r ") or match.group(2)[-1]
        self.found.append((name, value))
        if name != "escape":
            return
        if value not in ("\\", "`"):
            raise refused(self.file, number, f"invalid escape token '{value}' does not match ` or \\")
        self.escape = value


def refused(file: str, line: int, why: str) -> InputError:
    """The error for a Dockerfile that BuildKit refuses, too."""
    shown = replace_surrogates(why)
    return InputError(f"{file}:{line}: {shown}", cause="this is no valid Dockerfile: docker build refuses it, too")


def read_nodes(text: str, file: str) -> tuple[list[Node], str, tuple[tuple[str, str], ...]]:
    """Every instruction of the text in order, the escape character, and the parser directives.

    Raises InputError naming file and line for what BuildKit's parser refuses.
    """
    directives = _Directives(file)
    lines = _lines(text, file)
    nodes = []
    for line in lines:
        node = _read_instruction(line, lines, directives)
        if node:
            nodes.append(node)
        if len(nodes) > _MAX_INSTRUCTIONS:
            raise InputError(f"{file}:{line.number}: more than {_MAX_INSTRUCTIONS} instructions")
    if not nodes:
        raise refused(file, 1, "the Dockerfile cannot be empty" if not text else "file with no instructions")
    return nodes, directives.escape, tuple(directives.found)


def _lines(text: str, file: str) -> Iterator[_Line]:
    offset = 1 if text.startswith("\ufeff") else 0
    for number, raw in enumerate(_split_lines(text[offset:]), start=1):
        if len(raw) > MAX_LINE_BYTES // 4 and len(raw.rstrip("\n").encode("utf-8", "surrogateescape")) > MAX_LINE_BYTES:
            raise refused(file, number, f"dockerfile line greater than max allowed size of {MAX_LINE_BYTES}")
        yield _Line(text=raw, number=number, offset=offset)
        offset += len(raw)


def _split_lines(text: str) -> Iterator[str]:
    """The lines with their ends; unlike str.splitlines only a newline ends a line."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _read_instruction(first: _Line, lines: Iterator[_Line], directives: _Directives) -> Node | None:
    """The instruction that begins on this line, its continuation lines and heredocs read from `lines`."""
    text = first.text.rstrip("\r\n").lstrip(GO_SPACE)
    directives.read(text, first.number)
    piece, ended = _cut_continuation("" if text.startswith("#") else text, directives.escape)
    if ended and not piece:
        return None
    pieces, last = [piece], first
    while not ended:
        following = next(lines, None)
        if following is None:
            break
        last = following
        text = following.text.rstrip("\r\n")
        directives.read(text, following.number)
        bare = text.lstrip(GO_SPACE)
        if bare and not bare.startswith("#"):
            piece, ended = _cut_continuation(text, directives.escape)
            pieces.append(piece)
    joined = "".join(pieces)
    start = first.offset + len(first.text) - len(first.text.lstrip(GO_SPACE))
    return _finish_node(joined, first, last, start, lines, directives)


def _cut_continuation(text: str, escape: str) -> tuple[str, bool]:
    """The text without the escape character that continues it, and whether the instruction ends here."""
    bare = text.rstrip(" \t")
    # An escape character right before it makes it an ordinary one; an escaped one before it is not told apart.
    if bare.endswith(escape) and not bare.endswith(escape * 2):
        return bare[:-1], False
    return text, True


@frozen
class _Cut:
    """An instruction's text taken apart, before its place is known."""

    keyword: str
    flags: tuple[str, ...]
    rest: str
    arguments: Arguments
    trigger: _Cut | None = None


def _finish_node(
    text: str, first: _Line, last: _Line, start: int, lines: Iterator[_Line], directives: _Directives
) -> Node:
    try:
        cut = _cut_instruction(text, directives.escape)
        opened = _heredoc_names(text) if _can_hold_heredoc(cut.trigger or cut) else []
    except ValueError as error:
        raise refused(directives.file, first.number, str(error)) from error
    heredocs = []
    for heredoc in opened:
        heredoc, last = _read_heredoc(heredoc, first, lines, directives.file)
        heredocs.append(heredoc)
    end = last.offset + len(last.text.rstrip("\r\n"))
    node = Node(
        keyword=cut.keyword,
        flags=cut.flags,
        rest=cut.rest,
        arguments=cut.arguments,
        text=text.strip(GO_SPACE),
        line=first.number,
        end_line=last.number,
        start=start,
        end=end,
        heredocs=tuple(heredocs),
    )
    inner = cut.trigger
    if inner is None:
        return node
    return replace(
        node,
        trigger=replace(
            node, keyword=inner.keyword, flags=inner.flags, rest=inner.rest, arguments=inner.arguments, text=cut.rest
        ),
    )


def _cut_instruction(text: str, escape: str) -> _Cut:
    """Keyword, flags and arguments; for ONBUILD the instruction inside it too, one level deep: a chain is refused later
    on, if what is at its end is not refused here. Raises ValueError."""
    keyword, flags, rest = _split_command(text, escape)
    if keyword.lower() != "onbuild" or not rest:
        arguments = split_arguments(keyword.lower(), rest, escape)
        return _Cut(keyword=keyword, flags=flags, rest=rest, arguments=arguments)
    inner, inner_flags, inner_rest = _split_command(rest, escape)
    arguments = split_arguments(inner.lower(), inner_rest, escape)
    _check_chain(inner, inner_rest, escape)
    trigger = _Cut(keyword=inner, flags=inner_flags, rest=inner_rest, arguments=arguments)
    return _Cut(keyword=keyword, flags=flags, rest=rest, arguments=Arguments(words=(inner,)), trigger=trigger)


def _check_chain(keyword: str, rest: str, escape: str) -> None:
    """Refuse what BuildKit's parser refuses at the end of a chain of ONBUILDs. Raises ValueError."""
    for _ in range(_LONGEST_CHAIN):
        if keyword.lower() != "onbuild" or not rest:
            break
        keyword, _flags, rest = _split_command(rest, escape)
        split_arguments(keyword.lower(), rest, escape)


def _can_hold_heredoc(cut: _Cut) -> bool:
    return cut.keyword.lower() in _TAKES_HEREDOC and not cut.arguments.is_json


def _heredoc_names(text: str) -> list[Heredoc]:
    """The heredocs a line opens, bodies still empty. The escape directive plays no part here."""
    if "<<" not in text:
        return []
    lexer = Lexer(text, {}, keep_quotes=True, keep_escapes=True, keep_unset=True)
    try:
        words = lexer.split()
    except LexError:
        return []
    return [heredoc for word in words if (heredoc := parse_heredoc_word(word))]


def parse_heredoc_word(word: str) -> Heredoc | None:
    """The heredoc a word like `<<-"EOF"` opens, its body empty; None for any other word. Raises LexError."""
    match = _HEREDOC.match(word)
    if not match or not match.group(2):
        return None
    rest = match.group(2)
    words = Lexer(rest, {}, keep_unset=True).split()
    if len(words) != 1:
        return None
    quoted = Lexer(rest, {}, keep_unset=True, keep_quotes=True).split()
    if len(quoted) != 1:
        raise LexError(f"internal lexing of heredoc produced inconsistent results: {rest}")
    expand = _count_quotes(words[0]) == _count_quotes(quoted[0])
    return Heredoc(name=words[0], body="", expand=expand, strip_tabs=match.group(1) == "-")


def _count_quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def _read_heredoc(opened: Heredoc, first: _Line, lines: Iterator[_Line], file: str) -> tuple[Heredoc, _Line]:
    body: list[str] = []
    for line in lines:
        possible = line.text.rstrip("\r\n")
        if (possible.lstrip("\t") if opened.strip_tabs else possible) == opened.name:
            return replace(opened, body="".join(body)), line
        body.append(line.text)
    raise refused(file, first.number, f"unterminated heredoc: no line is {opened.name!r}")


def _split_command(text: str, escape: str) -> tuple[str, tuple[str, ...], str]:
    """Keyword, flags, and the rest of an instruction."""
    parts = _BLANKS.split(text.strip(GO_SPACE), maxsplit=1)
    if len(parts) == 1:
        return parts[0], (), ""
    flags, rest = _split_flags(parts[1], escape)
    return parts[0], flags, rest.strip(GO_SPACE)


def _split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The `--name=value` words at the front, quotes and escapes removed, and the text behind them.

    BuildKit reads bytes here, not characters; so does this (a byte is a character of Latin-1).
    """
    data = text.encode("utf-8", "surrogateescape").decode("latin-1")
    flags: list[str] = []
    pos = 0
    while True:
        while pos < len(data) and data[pos] in _BYTE_SPACES:
            pos += 1
        if not data.startswith("--", pos):
            return tuple(map(_from_latin, flags)), _from_latin(data[pos:])
        word, pos = _flag_word(data, pos, escape)
        if word == "--":
            return tuple(map(_from_latin, flags)), _from_latin(data[pos:])
        if word:
            flags.append(word)


def _flag_word(data: str, pos: int, escape: str) -> tuple[str, int]:
    """The word at this place without quotes and escapes, and where it ends."""
    out: list[str] = []
    quote = ""
    while pos < len(data):
        ch = data[pos]
        if not quote and ch in _BYTE_SPACES:
            break
        pos += 1
        if ch == quote:
            quote = ""
        elif not quote and ch in "'\"":
            quote = ch
        elif ch == escape:
            out.append(data[pos : pos + 1])
            pos += 1
        else:
            out.append(ch)
    return "".join(out), min(pos, len(data))


def _from_latin(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
