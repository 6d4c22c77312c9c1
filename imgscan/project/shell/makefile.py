"""A Makefile -> the shell of its recipes. In: its text. Out: a snippet per line that make gives to a shell.

GNU make's manual, "Recipe Syntax" and "Choosing the Shell": every line is a shell of its own unless `.ONESHELL`, a
backslash joins lines, `@`, `-` and `+` before a command are make's, `$$` is a dollar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.shell.options import option_changes
from imgscan.project.shell.records import ShellKind
from imgscan.project.shell.text import Snippet

_RULE: Final = lazy_re(
    r"^(?P<targets>[^\s:=#][^:=#\n]{0,400}?)\s*::?(?!=)\s*(?P<needs>[^=;#\n]{0,2000})(?:;(?P<inline>[^\n]*))?"
)
_VARIABLE: Final = lazy_re(
    r"^\s*(?:export\s+|override\s+)?(?P<name>[\w.-]+)\s*(?P<op>\?|:{1,3}|\+)?=\s*(?P<value>.*)$", re.A
)
_USE: Final = lazy_re(r"\$(?:\((?P<round>[\w.-]+)\)|\{(?P<curly>[\w.-]+)\}|(?P<dollar>\$)|(?P<auto>[@<^*?+%]))", re.A)
_CALL: Final = lazy_re(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)")
_ASKS: Final = lazy_re(r"\bread\b|-t\s+[01]\b")
_MOST: Final = 2_000
_LONGEST: Final = 20_000


@dataclass(slots=True)
class _Make:
    file: str
    variables: dict[str, str] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    oneshell: bool = False
    recipes: list[tuple[tuple[str, ...], tuple[str, ...], int, list[str]]] = field(default_factory=list)

    def options(self) -> frozenset[str]:
        flags = self.variables.get(".SHELLFLAGS")
        return frozenset(option_changes(tuple(flags.split()))[0]) if flags else frozenset()

    def expand(self, text: str, depth: int = 0) -> str:
        """Make's variables where they are plain; what make computes becomes a variable of the shell that nobody set."""

        def value(found: re.Match[str]) -> str:
            if found["dollar"]:
                return "$"
            if found["auto"]:
                return "${MAKE_AUTOMATIC}"
            name = found["round"] or found["curly"]
            known = self.variables.get(name)
            if known is None or depth > 6 or len(known) > 2_000:
                return f"${{{re.sub(r'[^A-Za-z0-9_]', '_', name)}}}" if not name[0].isdigit() else ""
            return self.expand(known, depth + 1)

        made = _USE.sub(value, text)
        return made if depth else made[:_LONGEST]


def makefile_snippets(file: str, text: str) -> Iterator[Snippet]:
    """The recipes' commands, named by their target. Conditionals are taken as if all branches were there."""
    make = _read(file, text)
    options = make.options()
    found = 0
    for targets, needs, line, lines in make.recipes:
        guarded = bool(make.asking.intersection(needs))
        for at, command in _joined(lines, make.oneshell):
            shell, prefix = _unprefixed(command)
            if not shell.strip() or found >= _MOST:
                continue
            found += 1
            flags = options if "-" not in prefix else options - {"errexit"}
            yield Snippet(
                file=file,
                name=targets[0],
                kind=ShellKind.MAKE,
                line=line + at,
                text=make.expand(_CALL.sub(_computed, shell)),
                options=flags,
                guarded=guarded,
            )


def _computed(found: re.Match[str]) -> str:
    """A function of make (`$(shell …)`, `$(if …)`): unknown; a plain variable stays."""
    return found[0] if _USE.fullmatch(found[0]) else "${MAKE_COMPUTED}"


def _read(file: str, text: str) -> _Make:
    make = _Make(file=file)
    lines = text.replace("\r\n", "\n").split("\n")
    open_recipe: list[str] | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("\t") and open_recipe is not None:
            open_recipe.append(line[1:])
            at += 1
            continue
        start = at
        while line.endswith("\\") and at + 1 < len(lines) and len(line) < _LONGEST:
            at += 1
            line = line[:-1] + " " + lines[at].strip()
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            # Between two lines of a recipe, these keep the count of lines.
            if open_recipe is not None:
                open_recipe += [""] * (at - start)
            continue
        if re.match(r"^\s*(?:ifn?def|ifn?eq|else|endif|define|endef|-?include)\b", line):
            if open_recipe is not None:
                open_recipe += [""] * (at - start)
            continue
        open_recipe = _line(make, line, start, at)
    for targets, _, _, body in make.recipes:
        if any(_ASKS.search(part) for part in body):
            make.asking.update(targets)
    return make


def _line(make: _Make, line: str, start: int, after: int) -> list[str] | None:
    """A line that is no recipe: a variable, or a rule that opens one."""
    variable = _VARIABLE.match(line)
    if variable is not None:
        name, value = variable["name"], variable["value"].split(" #")[0].strip()
        if variable["op"] == "+":
            value = f"{make.variables.get(name, '')} {value}".strip()
        if variable["op"] != "?" or name not in make.variables:
            make.variables[name] = value
        return None
    rule = _RULE.match(line)
    if rule is None:
        return None
    targets = tuple(rule["targets"].split())
    if ".ONESHELL" in targets:
        make.oneshell = True
    needs = tuple(rule["needs"].replace("|", " ").split())
    if rule["inline"]:
        make.recipes.append((targets, needs, start + 1, [rule["inline"]]))
    body: list[str] = []
    make.recipes.append((targets or ("",), needs, after + 1, body))
    return body


def _joined(lines: list[str], oneshell: bool) -> Iterator[tuple[int, str]]:
    """Commands with the number of their first line: one per line, a backslash joins."""
    if oneshell:
        yield 0, "\n".join(lines)
        return
    at = 0
    while at < len(lines):
        start, parts = at, [lines[at]]
        while parts[-1].endswith("\\") and at + 1 < len(lines):
            at += 1
            parts.append(lines[at].removeprefix("\t"))
        yield start, "\n".join(parts)
        at += 1


def _unprefixed(command: str) -> tuple[str, str]:
    found = re.match(r"^[ \t]*([@+-][ \t@+-]*)?", command)
    prefix = (found[1] or "") if found else ""
    return command[found.end() if found else 0 :], prefix
