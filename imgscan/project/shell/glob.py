"""Patterns of the shell against texts of which parts may be unknown. Out: True, False, or None where nobody can tell.

Grammar: POSIX.1-2017, XCU 2.13, and bash's `extglob`. Matching is linear (re2): patterns come from the project.
"""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "\x00"
"""Stands for any text: what an expansion makes that is known only when the script runs."""
FROM_ARGUMENTS: Final = "\x01"
"""The same, made of the script's own arguments."""
_CLASSES: Final = frozenset({"alnum", "alpha", "blank", "cntrl", "digit", "lower", "punct", "space", "upper", "xdigit"})
_MAX_PATTERN: Final = 2_000
GUESSED: Final = "\x02"
"""Marks a text that holds only where a variable of the environment is not set: the default of `${NAME:-default}`."""
Piece = tuple[str, bool]
"""A part of a word and whether quotes took its special characters away."""


def is_known(text: str) -> bool:
    """Whether no part of a text is unknown; a guess counts as known."""
    return UNKNOWN not in text and FROM_ARGUMENTS not in text


def head(text: str) -> str:
    """What comes before the first unknown part."""
    return text.split(UNKNOWN, 1)[0].split(FROM_ARGUMENTS, 1)[0]


def tail(text: str) -> str:
    """What comes after the last unknown part."""
    return text.rsplit(UNKNOWN, 1)[-1].rsplit(FROM_ARGUMENTS, 1)[-1]


def equal(left: str, right: str) -> bool | None:
    """Whether two texts are the same."""
    if is_known(left) and is_known(right):
        return left == right
    first, second = head(left), head(right)
    shorter = min(len(first), len(second))
    if first[:shorter] != second[:shorter]:
        return False
    if (is_known(left) and len(left) < len(second)) or (is_known(right) and len(right) < len(first)):
        return False
    return None


def matches(pieces: list[Piece], text: str) -> bool | None:
    """Whether a text is what a pattern describes, as `case` and `[[ == ]]` compare."""
    joined = "".join(piece for piece, _ in pieces)
    if all(quoted or not _has_special(piece) for piece, quoted in pieces):
        return equal(joined, text)
    if joined == "*" and not pieces[0][1]:
        return True
    if not is_known(text) or not is_known(joined):
        literal = _literal_head(pieces)
        known = head(text)
        shorter = min(len(literal), len(known))
        return False if literal[:shorter] != known[:shorter] else None
    expression = to_regex(pieces)
    return None if expression is None else search(rf"\A(?s:{expression})\z", text)


def search(expression: str, text: str) -> bool | None:
    """Whether a regular expression is found in a text; None for one that cannot be compiled."""
    import re2

    if len(expression) > _MAX_PATTERN:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options).search(text) is not None
    except (re2.error, UnicodeError):
        return None


def to_regex(pieces: list[Piece]) -> str | None:
    """A pattern as a regular expression; None for what has no such form (`!(…)`)."""
    out: list[str] = []
    for piece, quoted in pieces:
        part = _escape(piece) if quoted else _translate(piece)
        if part is None:
            return None
        out.append(part)
    return "".join(out)


def _translate(text: str) -> str | None:
    out, at, open_groups = [], 0, [""][:0]
    while at < len(text):
        char = text[at]
        if char in "?*+@!" and text[at + 1 : at + 2] == "(":
            if char == "!":
                return None
            out.append("(?:")
            open_groups.append("" if char == "@" else char)
            at += 1
        elif char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[":
            part, at = _bracket(text, at)
            out.append(part)
        elif char == "\\" and at + 1 < len(text):
            at += 1
            out.append(_escape(text[at]))
        elif char == ")" and open_groups:
            out.append(f"){open_groups.pop()}")
        elif char == "|" and open_groups:
            out.append("|")
        else:
            out.append(_escape(char))
        at += 1
    return None if open_groups else "".join(out)


def _bracket(text: str, at: int) -> tuple[str, int]:
    """A bracket expression and the place of its end; a lone `[` is itself."""
    end = at + 1
    if text[end : end + 1] in ("!", "^"):
        end += 1
    if text[end : end + 1] == "]":
        end += 1
    while end < len(text) and text[end] != "]":
        if text[end : end + 2] == "[:":
            close = text.find(":]", end)
            end = close + 1 if close > 0 else end
        end += 1
    if end >= len(text):
        return "\\[", at
    body = text[at + 1 : end]
    negated = body[:1] in ("!", "^")
    inner = body[1:] if negated else body
    classes = [name for name in _CLASSES if f"[:{name}:]" in inner]
    for name in classes:
        inner = inner.replace(f"[:{name}:]", "")
    plain = inner.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("^", "\\^")
    return f"[{'^' if negated else ''}{plain}{''.join(f'[:{name}:]' for name in classes)}]", end


def _escape(text: str) -> str:
    return "".join(char if char.isalnum() or ord(char) > 127 else f"\\x{{{ord(char):x}}}" for char in text)


def _has_special(text: str) -> bool:
    return any(char in "*?[\\" for char in text) or any(f"{char}(" in text for char in "+@!")


def _literal_head(pieces: list[Piece]) -> str:
    out = ""
    for piece, quoted in pieces:
        if quoted:
            out += piece
            continue
        for at, char in enumerate(piece):
            if char in "*?[\\+@!" or not is_known(char):
                return out + piece[:at]
        out += piece
    return head(out)
