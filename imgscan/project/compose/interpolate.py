"""`$NAME`, `${NAME:-default}` and the like in a text, replaced as compose does it. Pure.

The grammar is that of compose-go's package `template`: a reference with an operator reaches to the last `}` of its
line that balances it; operands are replaced in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_NAME: Final = lazy_re(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR: Final = lazy_re(r":?[-+?]")
_DEEPEST: Final = 50
_MOST: Final = 5_000


@frozen
class Use:
    """One reference in a text: `text` as written, `operand` before replacement, its depth in other references'
    operands. `taken`: what it stood for was asked for (a default that is not needed is not)."""

    name: str
    operator: str
    operand: str
    text: str
    depth: int


@frozen
class Replaced:
    """A text with its variables replaced; `missing`: names with the message of `:?` and `?` that have no value."""

    value: str
    uses: tuple[Use, ...]
    unset: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    invalid: bool = False


Lookup = Callable[[str], str | None]


@dataclass(slots=True, kw_only=True)
class _State:
    lookup: Lookup
    uses: list[Use] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    invalid: bool = False


def replace_variables(text: str, lookup: Lookup | Mapping[str, str]) -> Replaced:
    """The text with its references replaced by what `lookup` gives; a name without a value becomes nothing."""
    state = _State(lookup=lookup if callable(lookup) else lookup.get)
    value = _replace(text, state, 0)
    return Replaced(
        value=value,
        uses=tuple(state.uses),
        unset=tuple(dict.fromkeys(state.unset)),
        missing=tuple(dict.fromkeys(state.missing)),
        invalid=state.invalid,
    )


def _replace(text: str, state: _State, depth: int) -> str:
    if depth > _DEEPEST:
        state.invalid = True
        return ""
    parts: list[str] = []
    at = 0
    for piece in _pieces(text):
        start, end, name, operator, operand = piece
        parts.append(text[at:start])
        at = end
        if name is None or len(state.uses) >= _MOST:
            state.invalid = True  # compose goes no further either
            return ""
        if name == "$":
            parts.append("$")
        else:
            use = Use(name=name, operator=operator, operand=operand, text=text[start:end], depth=depth)
            state.uses.append(use)
            parts.append(_value(use, state, depth))
    return "".join((*parts, text[at:]))


_Piece = tuple[int, int, str | None, str, str]


def _pieces(text: str) -> Iterator[_Piece]:
    """Start, end, name (`$`: an escaped one, None: it is none), operator, operand."""
    at = text.find("$")
    while at >= 0:
        piece = _braced(text, at) if text.startswith("{", at + 1) else _bare(text, at)
        if piece is None:
            at = text.find("$", at + 1)
            continue
        yield piece
        at = text.find("$", piece[1])


def _bare(text: str, at: int) -> _Piece | None:
    if text.startswith("$", at + 1):
        return at, at + 2, "$", "", ""
    name = _NAME.match(text, at + 1)
    return (at, name.end(), name[0], "", "") if name else None


def _braced(text: str, at: int) -> _Piece:
    name = _NAME.match(text, at + 2)
    if name is None:
        return at, at + 2, None, "", ""
    if text.startswith("}", name.end()):
        return at, name.end() + 1, name[0], "", ""
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        return at, at + 2, None, "", ""
    line_end = text.find("\n", operator.end())
    last = text.rfind("}", operator.end(), line_end if line_end >= 0 else len(text))
    if last < 0:
        return at, at + 2, None, "", ""
    end = _balanced(text, at, last + 1)
    return at, end, name[0], operator[0], text[operator.end() : end - 1]


def _balanced(text: str, at: int, end: int) -> int:
    """Where the brace that closes the reference ends; the last one of the line where none balances it."""
    opened = 0
    while at < end:
        if text[at] == "}":
            opened -= 1
            if opened == 0:
                return at + 1
        elif text[at] == "{":
            opened += 1
            at += 1  # what follows an opening brace is not looked at
        at += 1
    return end


def _value(use: Use, state: _State, depth: int) -> str:
    value = state.lookup(use.name)
    if not use.operator:
        if value is None:
            state.unset.append(use.name)
        return value or ""
    # Operands are replaced whether or not they are taken: what is wrong in them is told in any case, and references in
    # them count as used; but only one that is taken leaves a hole.
    holes, lacks = len(state.unset), len(state.missing)
    operand = _replace(use.operand, state, depth + 1)
    has_value = bool(value) if use.operator.startswith(":") else value is not None
    takes_operand = has_value if use.operator.endswith("+") else not has_value
    if not takes_operand:
        del state.unset[holes:]
    if use.operator.endswith("?"):
        del state.unset[holes:], state.missing[lacks:]
        if not has_value:
            state.missing.append((use.name, operand))
            state.unset.append(use.name)
        return value or ""
    return operand if takes_operand else value or ""
