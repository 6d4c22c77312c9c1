"""`[[ … ]]`, `[ … ]` and `test` -> True, False, or None where only a run would tell. Nothing on this machine is asked.

Grammar: bash(1), "Conditional Expressions", and POSIX.1-2017, test(1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.shell.expand import Scope, closing, expand, expand_one, expand_pattern
from imgscan.project.shell.glob import FROM_ARGUMENTS, equal, is_known, matches, search, to_regex

_BINARY: Final = frozenset(
    {"=", "==", "!=", "=~", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"}
)
_NUMBERS: Final = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_UNARY: Final = lazy_re(r"^-[a-hknoprstuvwxzGLNORS]$")
_SPECIAL: Final = lazy_re(r"\\[bBwW<>]")


@dataclass(slots=True)
class Verdict:
    """What a condition comes to; `of_arguments`: what is unknown in it was made of the script's arguments."""

    value: bool | None
    of_arguments: bool = False


def raw_words(text: str) -> list[str]:
    """The words of a condition as written; brackets and connectives are words of their own."""
    out: list[str] = []
    at, word = 0, ""
    pattern = False
    while at < len(text):
        char = text[at]
        if char in "'\"":
            end = _quote_end(text, at)
            word += text[at:end]
            at = end
        elif char == "\\":
            word += text[at : at + 2]
            at += 2
        elif char == "$" and text[at + 1 : at + 2] in ("{", "("):
            end = closing(text, at + 1)
            word += text[at:end]
            at = end
        elif char in " \t\n":
            if word:
                out.append(word)
                pattern = word in ("==", "!=", "=", "=~")
            word = ""
            at += 1
        elif char == "(" and (word or pattern):
            end = closing(text, at)
            word += text[at:end]
            at = end
        elif not pattern and not word and (char in "()" or text[at : at + 2] in ("&&", "||")):
            size = 1 if char in "()" else 2
            out.append(text[at : at + size])
            at += size
        elif not pattern and char == ")":
            out += [word, ")"]
            word = ""
            at += 1
        else:
            word += char
            at += 1
    return [*out, word] if word else out


def _quote_end(text: str, at: int) -> int:
    quote, end = text[at], at + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" and quote == '"' else 1
    return min(end + 1, len(text))


def double_bracket(text: str, scope: Scope) -> Verdict:
    """The inside of `[[ … ]]`."""
    parser = _Parser(words=raw_words(text), scope=scope)
    value = parser.either()
    return Verdict(value if parser.at >= len(parser.words) else None, parser.of_arguments)


def single_bracket(words: list[str]) -> Verdict:
    """The arguments of `test`, expanded."""
    tainted = any(FROM_ARGUMENTS in word for word in words)
    return Verdict(_test(words, 0), tainted)


def _test(words: list[str], depth: int) -> bool | None:
    if depth > 20:
        return None
    for connective, stop in (("-o", True), ("-a", False)):
        for at in range(1, len(words) - 1):
            if words[at] == connective and not (len(words) == 3 and at == 1 and words[0] == "!"):
                left = _test(words[:at], depth + 1)
                right = _test(words[at + 1 :], depth + 1)
                return _joined(left, right, stop)
    if not words:
        return False
    if words[0] == "!" and len(words) > 1:
        inner = _test(words[1:], depth + 1)
        return None if inner is None else not inner
    if len(words) == 1:
        return bool(words[0]) if is_known(words[0]) else (True if words[0].strip("\0\1") else None)
    if len(words) == 2:
        return _unary(words[0], words[1])
    if len(words) == 3 and words[1] in _BINARY:
        return _compare(words[0], words[1], words[2])
    if words[0] == "(" and words[-1] == ")":
        return _test(words[1:-1], depth + 1)
    return None


def _joined(left: bool | None, right: bool | None, stop: bool) -> bool | None:
    """`or` with `stop` True, `and` with False."""
    if left is stop or right is stop:
        return stop
    return None if left is None or right is None else not stop


def _unary(operator: str, operand: str) -> bool | None:
    if operator in ("-n", "-z"):
        if is_known(operand):
            return bool(operand) == (operator == "-n")
        return (operator == "-n") if operand.strip("\0\1") else None
    # Whoever reads a question sits at a terminal.
    return True if operator == "-t" else None


def _compare(left: str, operator: str, right: str) -> bool | None:
    if operator in ("=", "=="):
        return equal(left, right)
    if operator == "!=":
        same = equal(left, right)
        return None if same is None else not same
    return numeric(left, operator, right)


def numeric(left: str, operator: str, right: str) -> bool | None:
    """A comparison of numbers; None when one of them is no plain number."""
    if not re.fullmatch(r"\s*-?\d{1,9}\s*", left) or not re.fullmatch(r"\s*-?\d{1,9}\s*", right):
        return None
    first, second = int(left), int(right)
    table = {
        "-eq": first == second, "-ne": first != second, "-lt": first < second,
        "-le": first <= second, "-gt": first > second, "-ge": first >= second,
    }  # fmt: skip
    return table.get(operator)


@dataclass(slots=True)
class _Parser:
    words: list[str]
    scope: Scope
    at: int = 0
    depth: int = 0
    of_arguments: bool = False

    def either(self) -> bool | None:
        value = self.both()
        while self._take("||"):
            value = _joined(value, self.both(), True)
        return value

    def both(self) -> bool | None:
        value = self.one()
        while self._take("&&"):
            value = _joined(value, self.one(), False)
        return value

    def one(self) -> bool | None:
        self.depth += 1
        if self.depth > 200:
            return None
        if self._take("!"):
            value = self.one()
            return None if value is None else not value
        if self._take("("):
            value = self.either()
            self._take(")")
            return value
        return self._primary()

    def _take(self, word: str) -> bool:
        if self.at < len(self.words) and self.words[self.at] == word:
            self.at += 1
            return True
        return False

    def _next(self) -> str:
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def _text(self, raw: str) -> str:
        text = expand_one(raw, self.scope)
        self.of_arguments = self.of_arguments or FROM_ARGUMENTS in text
        return text

    def _primary(self) -> bool | None:
        word = self._next()
        following = self.words[self.at] if self.at < len(self.words) else ""
        if following in _BINARY:
            self.at += 1
            return self._binary(self._text(word), following, self._next())
        if _UNARY.match(word) and following not in ("", "&&", "||", ")"):
            if word == "-v":
                return bool(self.scope.values(self._next()))
            return _unary(word, self._text(self._next()))
        return _unary("-n", self._text(word))

    def _binary(self, left: str, operator: str, raw: str) -> bool | None:
        if operator in ("==", "=", "!="):
            pieces = expand_pattern(raw, self.scope)
            self.of_arguments = self.of_arguments or any(FROM_ARGUMENTS in piece for piece, _ in pieces)
            found = matches(pieces, left)
            return found if found is None or operator != "!=" else not found
        if operator == "=~":
            return self._regular(left, raw)
        if operator in _NUMBERS:
            return numeric(self._number(left), operator, self._number(self._text(raw)))
        return None

    def _number(self, text: str) -> str:
        """`[[ x -eq 1 ]]` evaluates names."""
        if re.fullmatch(r"[A-Za-z_]\w*", text, re.A):
            values = self.scope.values(text)
            return values[0] if values else "0"
        return text or "0"

    def _regular(self, left: str, raw: str) -> bool | None:
        if _SPECIAL.search(raw):
            return None
        pieces = expand_pattern(raw.replace("\\s", "[[:space:]]"), self.scope)
        expression = "".join(to_regex([(piece, True)]) or "" if quoted else piece for piece, quoted in pieces)
        if not is_known(left) or not is_known(expression) or _SPECIAL.search(expression):
            return None
        return search(expression, left)


def arithmetic(text: str, scope: Scope) -> Verdict:
    """`(( $# > 1 ))`: one comparison of two numbers, else nobody can tell."""
    found = re.fullmatch(r"\s*(\S+?)\s*(==|!=|<=|>=|<|>)\s*(\S+?)\s*|\s*(\S+)\s*", text)
    if found is None:
        return Verdict(None, True)
    sides = [_arithmetic_value(side, scope) for side in ((found[4], "0") if found[4] else (found[1], found[3]))]
    operator = {"==": "-eq", "!=": "-ne", "<": "-lt", "<=": "-le", ">": "-gt", ">=": "-ge"}[found[2] or "!="]
    return Verdict(numeric(sides[0], operator, sides[1]), any(FROM_ARGUMENTS in side for side in sides))


def _arithmetic_value(raw: str, scope: Scope) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*", raw, re.A):
        values = scope.values(raw)
        return values[0] if values else "0"
    texts = expand(raw, scope)
    return texts[0] if len(texts) == 1 else ""
