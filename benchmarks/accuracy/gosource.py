"""Test cases of rules that are written in Go: the lists `tps` and `fps` of a function, evaluated.

A case is a string literal, a sum of strings, or a call of one of the helpers that gitleaks' and betterleaks' generators
have for samples; those are written anew here. What uses anything else is left out, and counted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.accuracy.samples import random_text

_TOKEN: Final = re.compile(
    r"""//[^\n]*|/\*.*?\*/|`(?P<raw>[^`]*)`|"(?P<text>(?:[^"\\\n]|\\.)*)"|'(?:[^'\\]|\\.)+'|"""
    r"""(?P<name>[A-Za-z_][\w.]*)|(?P<number>\d+(?:\.\d+)?)|(?P<mark>:=|\.\.\.|[^\s\w])|\s+""",
    re.DOTALL,
)
_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_FUNCTION: Final = re.compile(r"^func \w+\(.*?(?=^func |\Z)", re.MULTILINE | re.DOTALL)
_RULE_ID: Final = re.compile(r'\bID:\s+"([^"]+)"')
_SUBSTITUTE: Final = re.compile(r"%[sdv]")
_LISTS: Final = ("tps", "fps")
_CHECKS: Final = frozenset({"utils.Validate", "utils.ValidateWithPaths", "Validate"})

Value = Any


class NotEvaluated(Exception):
    """An expression that this evaluator does not know."""


@dataclass(slots=True, kw_only=True)
class GoCases:
    """The cases of one function: its rule's id, texts by path (or by number), and how many were left out."""

    rule: str
    positive: list[tuple[str, str]] = field(default_factory=list)
    negative: list[tuple[str, str]] = field(default_factory=list)
    left_out: int = 0


def go_cases(source: str, seed: str) -> Iterator[GoCases]:
    """The cases of every function of a Go file that has any; `seed` decides random samples."""
    for found in _FUNCTION.finditer(source):
        rule = _RULE_ID.search(found[0])
        if rule is not None:
            yield _function(found[0], rule[1], random.Random(f"{seed}/{rule[1]}"))  # noqa: S311 - sample data


def _function(text: str, rule: str, rng: random.Random) -> GoCases:
    cases = GoCases(rule=rule)
    reader = _Reader(_tokens(text), rng)
    lists: dict[str, list[tuple[str, str]]] = {"tps": cases.positive, "fps": cases.negative}
    for name, values in reader.assignments():
        if isinstance(values, NotEvaluated):
            cases.left_out += name in _LISTS
        elif name in lists:
            lists[name] += values.items() if isinstance(values, dict) else (("", value) for value in _flat(values))
    cases.left_out += reader.left_out
    return cases


def _flat(value: Value) -> list[str]:
    if isinstance(value, list):
        return [text for inner in value for text in _flat(inner)]
    return [value] if isinstance(value, str) else []


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "text":
            found.append(("text", _ESCAPE.sub(_unescape, token["text"])))
        elif kind == "raw":
            found.append(("text", token["raw"]))
        elif kind is not None:
            found.append((kind, token[0]))
    return found


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else _ESCAPES.get(escape[3], escape[3])


class _Reader:
    """Reads assignments out of a function's tokens, and evaluates their right sides."""

    def __init__(self, tokens: list[tuple[str, str]], rng: random.Random) -> None:
        self._tokens, self._at, self._rng = tokens, 0, rng
        self._known: dict[str, Value] = {}
        self.left_out = 0

    def assignments(self) -> Iterator[tuple[str, Value]]:
        """Each `name := value` and `name = append(name, value...)`, in order; NotEvaluated in place of a value that is
        not known."""
        while self._at < len(self._tokens) - 2:
            (kind, name), (_, mark) = self._tokens[self._at : self._at + 2]
            if name in _CHECKS and mark == "(":
                yield from self._checked()
                continue
            if kind != "name" or mark not in (":=", "="):
                self._at += 1
                continue
            self._at += 2
            start = self._at
            try:
                value = self._sum()
            except (NotEvaluated, IndexError):
                self._at = start
                yield name, NotEvaluated()
                continue
            self._known[name] = value
            yield name, value

    def _checked(self) -> Iterator[tuple[str, Value]]:
        """The lists that are written out in a call `Validate(rule, positives, negatives)`."""
        self._at += 4
        for name in _LISTS:
            self._at += self._peek() == ("mark", ",")
            if self._peek()[0] == "name" and self._peek()[1] in ("nil", *_LISTS):
                self._at += 1
                continue
            start = self._at
            try:
                yield name, self._sum()
            except (NotEvaluated, IndexError):
                self._at = start
                yield name, NotEvaluated()
                return

    def _sum(self) -> Value:
        value = self._operand()
        while self._peek() == ("mark", "+"):
            self._at += 1
            right = self._operand()
            if not isinstance(value, str) or not isinstance(right, str):
                raise NotEvaluated
            value += right
        return value

    def _operand(self) -> Value:
        kind, text = self._next()
        if kind in ("text", "number"):
            return text
        if (kind, text) == ("mark", "["):
            self._expect("]", "string")
            return self._list()
        if kind != "name":
            raise NotEvaluated
        if text == "map":
            self._expect("[", "string", "]", "string")
            return self._map()
        if self._peek() == ("mark", "("):
            return self._call(text)
        if text in self._known:
            return self._known[text]
        raise NotEvaluated

    def _list(self) -> list[Value]:
        return self._items("{", "}", self._sum)

    def _map(self) -> dict[str, str]:
        return dict(self._items("{", "}", self._pair))

    def _pair(self) -> tuple[str, str]:
        name = self._sum()
        self._expect(":")
        return name, self._sum()

    def _items(self, opening: str, closing: str, read: Callable[[], Value]) -> list[Value]:
        """Items between brackets; one that is not known is left out, and counted."""
        self._expect(opening)
        items = []
        while self._peek()[1] != closing or self._peek()[0] != "mark":
            start = self._at
            try:
                items.append(read())
                if self._peek() == ("mark", "..."):
                    self._at += 1
                if self._peek()[0] != "mark" or self._peek()[1] not in (",", closing):
                    raise NotEvaluated
            except NotEvaluated:
                self.left_out += 1
                self._at = start
                self._skip_item(closing)
            if self._peek() == ("mark", ","):
                self._at += 1
        self._at += 1
        return items

    def _skip_item(self, closing: str) -> None:
        depth = 0
        while True:
            kind, text = self._peek()
            if kind == "mark" and depth == 0 and text in (",", closing):
                return
            depth += (kind == "mark" and text in "([{") - (kind == "mark" and text in ")]}")
            self._at += 1

    def _call(self, name: str) -> Value:
        before = self.left_out
        arguments = self._items("(", ")", self._sum)
        if name == "append":
            return arguments[1:] if arguments and isinstance(arguments[0], list) else arguments
        helper = HELPERS.get(name)
        if helper is None or self.left_out != before:
            self.left_out = before
            raise NotEvaluated
        try:
            return helper(self._rng, *arguments)
        except (TypeError, ValueError, re.error) as error:
            raise NotEvaluated from error

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, *texts: str) -> None:
        for text in texts:
            if self._next()[1] != text:
                raise NotEvaluated


def _secret(rng: random.Random, pattern: str, _least: str = "") -> str:
    return random_text(pattern, rng)


def _format(_: random.Random, pattern: str, *values: str) -> str:
    left = iter(values)
    return _SUBSTITUTE.sub(lambda _: next(left), pattern)


def _class(letters: str) -> Callable[[random.Random, str], str]:
    return lambda _, size: f"[{letters}]{{{size}}}"


_SHAPES: Final = (
    '{i}Token="{s}"', "{i}Token = {s}", "{{\n    \"{i}_token\": \"{s}\"\n}}",
    '{{"config.ini": "{I}_TOKEN={s}\\nBACKUP_ENABLED=true"}}', "<{i}Token>\n    {s}\n</{i}Token>",
    "{i}_token: {s}", "{i}_token: '{s}'", 'string {i}Token = "{s}";', 'var {i}Token string = "{s}"',
    "{i}Token := `{s}`", '${i}Token .= "{s}"', "{i}Token = '{s}'", 'System.setProperty("{I}_TOKEN", "{s}")',
    '  "{i}Token" => "{s}"', '{i}_TOKEN ?= "{s}"', '{i}_TOKEN :::= "{s}"',
)  # fmt: skip


def _samples(_: random.Random, name: str, secret: str) -> list[str]:
    return [shape.format(i=name, I=name.upper(), s=secret) for shape in _SHAPES]


HELPERS: Final[Mapping[str, Callable[..., Value]]] = {
    "secrets.NewSecret": _secret,
    "secrets.NewSecretWithEntropy": _secret,
    "utils.Numeric": _class("0-9"),
    "utils.Hex": _class("a-f0-9"),
    "utils.AlphaNumeric": _class("a-z0-9"),
    "utils.AlphaNumericExtendedShort": _class("a-z0-9_-"),
    "utils.AlphaNumericExtended": _class(r"a-z0-9=_\-"),
    "utils.AlphaNumericExtendedLong": _class(r"a-z0-9/=_+\-"),
    "utils.Hex8_4_4_4_12": lambda _: "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "utils.GenerateSampleSecret": lambda _, name, secret: f'{name}_api_token = "{secret}"',
    "utils.GenerateSampleSecrets": _samples,
    "fmt.Sprintf": _format,
    "strings.Repeat": lambda _, text, times: text * int(times),
    "strings.ToLower": lambda _, text: text.lower(),
    "strings.ToUpper": lambda _, text: text.upper(),
}
