"""Words of the shell -> the fields that they become, with a mark for every part that only a run would tell.

In: a word as written and a `Scope` that knows variables. Out: fields, or the pieces of a pattern. Grammar:
POSIX.1-2017, XCU 2.2 and 2.6, and bash's arrays, `${x/a/b}`, `${x,,}`, `${x:1:2}`. No command of a substitution is run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Protocol

from imgscan.lazyre import lazy_re
from imgscan.project.shell.glob import FROM_ARGUMENTS, UNKNOWN, Piece, is_known, to_regex

_NAME: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-]")
_BRACED: Final = lazy_re(r"(?P<prefix>[#!]?)(?P<name>[A-Za-z_]\w*|[0-9]+|[@*#?$!-])(?:\[(?P<index>[^\]]*)\])?", re.A)
_DEEPEST: Final = 12
_MOST_FIELDS: Final = 2_000
_LONGEST: Final = 20_000
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "e": "\x1b"}


class Scope(Protocol):
    """What the expansion asks: variables by name, the positional parameters as `@`."""

    def values(self, name: str) -> list[str] | None:
        """The elements of an array, or the one of a scalar; None when it is not set."""

    def unset(self, name: str) -> str:
        """What an unset variable gives where nothing is said for that case."""

    def required(self, name: str) -> str:
        """What `${name:?}` gives when it is not set; may raise what ends the script."""

    def substitution(self, text: str) -> str:
        """What `$(text)` gives."""

    def guess(self, text: str) -> str:
        """What `${name:-text}` gives where the variable is not set."""

    def assign(self, name: str, value: str) -> None:
        """`${name:=value}` has set a variable."""


@dataclass(slots=True)
class _Fields:
    """Fields in the making; each is a list of pieces."""

    done: list[list[Piece]] = field(default_factory=list)
    open: list[Piece] = field(default_factory=list)
    started: bool = False

    def add(self, text: str, quoted: bool) -> None:
        if text or quoted:
            self.open.append((text, quoted))
            self.started = True

    def end(self) -> None:
        if self.started and len(self.done) < _MOST_FIELDS:
            self.done.append(self.open)
        self.open, self.started = [], False

    def split(self, text: str) -> None:
        """An unquoted expansion: blanks in it end fields."""
        for at, part in enumerate(re.split(r"[ \t\n]+", text)):
            if at:
                self.end()
            if part:
                self.add(part, False)


def expand(raw: str, scope: Scope, *, split: bool = True) -> list[str]:
    """The fields of a word; one without `split`, as for the value of an assignment."""
    fields = _scan(raw, scope, split=split, depth=0)
    texts = ["".join(piece for piece, _ in pieces)[:_LONGEST] for pieces in fields]
    return texts if split else [" ".join(texts)]


def expand_one(raw: str, scope: Scope) -> str:
    """A word where the shell makes one field of it, whatever it holds."""
    return expand(raw, scope, split=False)[0]


def expand_pattern(raw: str, scope: Scope) -> list[Piece]:
    """A word as a pattern: its parts, each with whether it was quoted."""
    fields = _scan(raw, scope, split=False, depth=0)
    return [piece for pieces in fields for piece in pieces]


def _scan(raw: str, scope: Scope, *, split: bool, depth: int) -> list[list[Piece]]:
    out = _Fields()
    if depth > _DEEPEST or len(raw) > _LONGEST:
        return [[(UNKNOWN, True)]]
    at = 0
    while at < len(raw):
        char = raw[at]
        if char == "'":
            end = _find(raw, "'", at + 1)
            out.add(raw[at + 1 : end], True)
            at = end + 1
        elif raw.startswith("$'", at):
            text, at = _ansi(raw, at + 2)
            out.add(text, True)
        elif char == '"' or raw.startswith('$"', at):
            at = _quoted(raw, at + (2 if char == "$" else 1), scope, out, split, depth)
        elif char == "\\":
            if raw[at + 1 : at + 2] != "\n":
                out.add(raw[at + 1 : at + 2], True)
            at += 2
        elif char in "$`":
            values, at, many = _dollar(raw, at, scope, depth)
            _unquoted(values, many, out, split)
        elif char in "<>" and raw[at + 1 : at + 2] == "(":
            out.add(UNKNOWN, True)
            at = closing(raw, at + 1)
        elif char in " \t\n" and split:
            out.end()
            at += 1
        else:
            end = at + 1
            while end < len(raw) and raw[end] not in "'\"\\$`<> \t\n":
                end += 1
            out.add(raw[at:end], False)
            at = end
    out.end()
    return out.done


def _unquoted(values: list[str], many: bool, out: _Fields, split: bool) -> None:
    for number, value in enumerate(values):
        if number:
            out.end() if split else out.add(" ", False)
        if split:
            out.split(value)
        else:
            out.add(value, False)


def _quoted(raw: str, at: int, scope: Scope, out: _Fields, split: bool, depth: int) -> int:
    """From after a double quote to after its partner."""
    empty = True
    while at < len(raw) and raw[at] != '"':
        char = raw[at]
        if char == "\\" and raw[at + 1 : at + 2] in ('"', "\\", "$", "`", "\n"):
            out.add(raw[at + 1].replace("\n", ""), True)
            at, empty = at + 2, False
        elif char in "$`":
            values, at, many = _dollar(raw, at, scope, depth)
            if many and split:
                for number, value in enumerate(values):
                    if number:
                        out.end()
                    out.add(value, True)
                    empty = False
                # "$@" without parameters is no field at all.
                empty = empty and bool(values)
                if not values:
                    empty = False
            else:
                out.add(" ".join(values), True)
                empty = False
        else:
            end = at + 1
            while end < len(raw) and raw[end] not in '"\\$`':
                end += 1
            out.add(raw[at:end], True)
            at, empty = end, False
    if empty:
        out.add("", True)
    return at + 1


def _dollar(raw: str, at: int, scope: Scope, depth: int) -> tuple[list[str], int, bool]:
    """The expansion at `at`: its values, where it ends, and whether it makes several fields even in quotes."""
    if raw[at] == "`":
        end = _find(raw, "`", at + 1)
        return [scope.substitution(raw[at + 1 : end])], end + 1, False
    following = raw[at + 1 : at + 2]
    if raw.startswith("$((", at):
        return [scope.substitution(raw[at + 2 :])], closing(raw, at + 1), False
    if following == "(":
        end = closing(raw, at + 1)
        return [scope.substitution(raw[at + 2 : end - 1])], end, False
    if following == "{":
        end = closing(raw, at + 1)
        values, many = _parameter(raw[at + 2 : end - 1], scope, depth)
        return values, end, many
    found = _NAME.match(raw, at + 1)
    if found is None:
        return ["$"], at + 1, False
    name = found[0]
    if name in ("@", "*"):
        return _all(name, scope), found.end(), name == "@"
    held = _values(name, scope)
    return [held[0] if held else scope.unset(name)], found.end(), False


def _all(name: str, scope: Scope) -> list[str]:
    values = scope.values("@")
    if values is None:
        return [UNKNOWN]
    return values if name == "@" else [" ".join(values)]


def _values(name: str, scope: Scope) -> list[str] | None:
    if name == "#":
        positional = scope.values("@")
        return None if positional is None else [str(len(positional))]
    if name.isdigit() and name != "0":
        positional = scope.values("@")
        if positional is None:
            return None
        return [positional[int(name) - 1]] if len(name) < 5 and int(name) <= len(positional) else None
    return scope.values(name)


def _parameter(inner: str, scope: Scope, depth: int) -> tuple[list[str], bool]:
    """`${inner}`: its values, and whether they are several fields even in quotes."""
    found = _BRACED.match(inner)
    if found is None:
        return [UNKNOWN], False
    prefix, name, index, rest = found["prefix"], found["name"], found["index"], inner[found.end() :]
    every = index in ("@", "*") or (index is None and name in ("@", "*"))
    values = (scope.values("@" if name in ("@", "*") else name) if every else _values(name, scope)) or None
    if prefix == "!":
        return [UNKNOWN], False
    if prefix == "#" and not rest:
        return [_length(values, every)], False
    if not every and index is not None and values is not None:
        values = _element(values, index)
    made = _operate(values, rest, name, scope, every, depth)
    return made, every and "*" not in (name, index)


def _length(values: list[str] | None, every: bool) -> str:
    if every:
        return str(len(values or ()))
    text = values[0] if values else ""
    return str(len(text)) if is_known(text) else UNKNOWN


def _element(values: list[str], index: str) -> list[str] | None:
    if not index.isdigit() or len(index) > 4:
        return [UNKNOWN]
    return [values[int(index)]] if int(index) < len(values) else None


def _operate(values: list[str] | None, rest: str, name: str, scope: Scope, every: bool, depth: int) -> list[str]:
    operator = next((op for op in (":-", ":=", ":+", ":?", "-", "=", "+", "?") if rest.startswith(op)), "")
    if operator:
        return _default(values, operator, rest[len(operator) :], name, scope, depth)
    if values is None:
        empty = scope.values("@" if name in ("@", "*") else name) is not None
        return [] if every and empty else [part for part in [scope.unset(name)] if part or not every]
    if not rest:
        return values
    if rest.startswith(":"):
        return _slice(values, rest[1:], every, name)
    if not all(map(is_known, values)):
        return [FROM_ARGUMENTS if FROM_ARGUMENTS in value else UNKNOWN for value in values]
    return [_edited(value, rest, scope) for value in values]


def _default(values: list[str] | None, operator: str, operand: str, name: str, scope: Scope, depth: int) -> list[str]:
    is_set = values is not None and (not operator.startswith(":") or "".join(values) != "")
    # What is unknown may be empty; what is said for that case is only taken where nothing else is known.
    if operator.endswith("+"):
        return _operand(operand, scope, depth) if is_set else [""]
    if is_set and values is not None:
        return values
    if operator.endswith("?"):
        return [scope.required(name)]
    made = _operand(operand, scope, depth)
    if operator.endswith("="):
        scope.assign(name, " ".join(made))
    return [scope.guess(text) for text in made]


def _operand(operand: str, scope: Scope, depth: int) -> list[str]:
    fields = _scan(operand, scope, split=False, depth=depth + 1)
    return ["".join(piece for pieces in fields for piece, _ in pieces)]


def _slice(values: list[str], rest: str, every: bool, name: str) -> list[str]:
    start, _, length = rest.strip().partition(":")
    if not re.fullmatch(r" *-?\d{1,4}", start) or (length and not re.fullmatch(r"\d{1,4}", length)):
        return [FROM_ARGUMENTS]
    begin = int(start)
    if every:
        begin = begin - 1 if name in ("@", "*") and begin > 0 else begin
        return values[begin:][: int(length)] if length else values[begin:]
    text = values[0]
    if not is_known(text):
        return [FROM_ARGUMENTS if FROM_ARGUMENTS in text else UNKNOWN]
    return [text[begin:][: int(length)] if length else text[begin:]]


def _edited(value: str, rest: str, scope: Scope) -> str:
    """`#pattern`, `%pattern`, `/pattern/text`, `,,`, `^^` on a known text."""
    if rest in (",,", "^^", ",", "^"):
        change = str.lower if rest[0] == "," else str.upper
        return change(value) if len(rest) == 2 else change(value[:1]) + value[1:]
    if rest[0] in "#%":
        return _trimmed(value, rest, scope)
    if rest[0] == "/":
        pattern, _, text = rest.lstrip("/").partition("/")
        pieces = expand_pattern(pattern, scope)
        plain = "".join(piece for piece, _ in pieces)
        if any(char in plain for char in "*?[(") or not plain or not is_known(plain) or plain[0] in "#%":
            return FROM_ARGUMENTS
        return value.replace(plain, expand_one(text, scope), -1 if rest.startswith("//") else 1)
    return FROM_ARGUMENTS


def _trimmed(value: str, rest: str, scope: Scope) -> str:
    import re2

    longest = rest[:2] in ("##", "%%")
    expression = to_regex(expand_pattern(rest[2 if longest else 1 :], scope))
    if expression is None or not is_known(expression) or len(value) > 500:
        return FROM_ARGUMENTS
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(rf"\A(?s:{expression})\z", options)
    except (re2.error, UnicodeError):
        return FROM_ARGUMENTS
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if longest else lengths:
        part = value[:length] if rest[0] == "#" else value[len(value) - length :]
        if compiled.match(part):
            return value[length:] if rest[0] == "#" else value[: len(value) - length]
    return value


def _ansi(raw: str, at: int) -> tuple[str, int]:
    out: list[str] = []
    while at < len(raw) and raw[at] != "'":
        if raw[at] == "\\":
            out.append(_ESCAPES.get(raw[at + 1 : at + 2], raw[at + 1 : at + 2]))
            at += 2
        else:
            out.append(raw[at])
            at += 1
    return "".join(out), at + 1


def _find(raw: str, char: str, at: int) -> int:
    end = raw.find(char, at)
    return len(raw) if end < 0 else end


def closing(raw: str, at: int) -> int:
    """The place after the bracket that closes the one at `at`; the end of the text when there is none."""
    opener = raw[at]
    closer = {"{": "}", "(": ")"}[opener]
    depth, quote = 0, ""
    while at < len(raw):
        char = raw[at]
        if char == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == opener:
            depth += 1
        elif char == closer:
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return len(raw)
