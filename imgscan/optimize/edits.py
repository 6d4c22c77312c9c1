"""Where instructions and their comments begin and end in a Dockerfile's text, and edits that move whole ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from imgscan.diff import Edit
from imgscan.dockerfile.tree import Command
from imgscan.frozen import frozen


def line_start(text: str, at: int) -> int:
    """Where the line of an offset begins."""
    return text.rfind("\n", 0, at) + 1


def after_line(text: str, at: int) -> int:
    """The offset behind the line end of the line of an offset."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def block_start(text: str, commands: Sequence[Command], at: int) -> int:
    """Where the block of a command begins: its line, or the first of the comment lines right above it."""
    floor = after_line(text, commands[at - 1].end) if at else 0
    start = line_start(text, commands[at].start)
    while start > floor:
        above = line_start(text, start - 1)
        if above < floor or not text[above:start].lstrip().startswith("#"):
            break
        start = above
    return start


@frozen
class Block:
    """An instruction with the comment lines right above it; `text` always has a line end at its end."""

    start: int
    end: int
    text: str


def block_of(text: str, commands: Sequence[Command], at: int, eol: str) -> Block:
    """The block of a command."""
    start, end = block_start(text, commands, at), after_line(text, commands[at].end)
    piece = text[start:end]
    return Block(start=start, end=end, text=piece if piece.endswith("\n") else piece + eol)


def removals(text: str, blocks: Sequence[Block]) -> list[Edit]:
    """The edits that remove blocks; of two blank lines that would meet one goes with them."""
    found: list[Edit] = []
    for block in blocks:
        if found and found[-1].end == block.start:
            found[-1] = Edit(start=found[-1].start, end=block.end, text="")
        else:
            found.append(Edit(start=block.start, end=block.end, text=""))
    return [_with_blank_line(text, edit) for edit in found]


def _with_blank_line(text: str, edit: Edit) -> Edit:
    above = text[line_start(text, edit.start - 1) : edit.start] if edit.start else ""
    following = after_line(text, edit.end)
    if above.strip() or text[edit.end : following].strip() or edit.end == len(text):
        return edit
    return Edit(start=edit.start, end=following, text="")


def insert_after(text: str, command: Command, lines: str, eol: str) -> Edit:
    """Whole lines (ended by `eol`) behind a command, also one that the text ends with."""
    at = after_line(text, command.end)
    if at == len(text) and not text.endswith("\n"):
        return Edit(start=at, end=at, text=eol + lines.removesuffix(eol))
    return Edit(start=at, end=at, text=lines)


def moved_lines(text: str, origins: Sequence[int], edits: Iterable[Edit], line: int) -> tuple[int, ...]:
    """Where each line that the edits of a change lead to comes from. `origins` say it for the text's lines; `line` is
    that of the change, for what it adds that stood nowhere before."""
    found: list[int | None] = [None]
    made = [""]
    for piece, offset in _pieces(text, edits):
        first = 0 if offset is None else text.count("\n", 0, offset)
        for number, part in enumerate(piece.split("\n")):
            if number:
                found.append(None)
                made.append("")
            made[-1] += part
            if found[-1] is None and offset is not None and part.strip():
                found[-1] = origins[first + number]
    taken = _removed_lines(text, origins, edits)
    return tuple(
        origin if origin is not None else next(taken.get(written.strip(), iter(())), line)
        for origin, written in zip(found, made, strict=True)
    )


def _pieces(text: str, edits: Iterable[Edit]) -> Iterator[tuple[str, int | None]]:
    """What the text becomes, piece by piece: where a piece that stays stood; None for what is put in."""
    at = 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        yield text[at : edit.start], at
        yield edit.text, None
        at = edit.end
    yield text[at:], at


def _removed_lines(text: str, origins: Sequence[int], edits: Iterable[Edit]) -> dict[str, Iterator[int]]:
    """The origins of the lines that go, by what they say, in their order: a line that comes again was moved."""
    removed: dict[str, list[int]] = {}
    for edit in edits:
        first = text.count("\n", 0, edit.start)
        for number, piece in enumerate(text[edit.start : edit.end].split("\n")):
            removed.setdefault(piece.strip(), []).append(origins[first + number])
    return {piece: iter(sorted(numbers)) for piece, numbers in removed.items()}
