"""A script and its arguments -> the calls that it would make, found by reading it: nothing is run.

Conditions that hang on the machine (files, other programs) are taken both ways, path by path; what hangs on the
arguments in a way that this does not follow makes a path uncertain. In: a `Script`. Out: a `Path` for each way through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imgscan.project.shell.builtins import run_command
from imgscan.project.shell.expand import expand, expand_one
from imgscan.project.shell.flow import STATEMENTS
from imgscan.project.shell.glob import FROM_ARGUMENTS, UNKNOWN
from imgscan.project.shell.syntax import Syntax, parse_shell
from imgscan.project.shell.ways import Budget, ExitSignal, LoopSignal, Made, Path, ReturnSignal, Script, StopSignal

if TYPE_CHECKING:
    from tree_sitter import Node

MOST_PATHS: Final = 64
_MOST_STEPS: Final = 4_000
_DEEPEST: Final = 24
_MOST_WORDS: Final = 2_000
_LONGEST: Final = 20_000
_CHARS_A_STEP: Final = 100
_OF_THE_MACHINE: Final = frozenset(
    [
        "HOME",
        "PATH",
        "USER",
        "LOGNAME",
        "PWD",
        "OLDPWD",
        "SHELL",
        "UID",
        "EUID",
        "HOSTNAME",
        "TERM",
        "LANG",
        "RANDOM",
        "SECONDS",
        "PPID",
        "TMPDIR",
        "OSTYPE",
    ]
)


def paths(script: Script, arguments: tuple[str, ...], budget: Budget | None = None) -> Iterator[Path]:
    """The ways through, at most `MOST_PATHS` and as far as the budget goes; where there are more, the last says so."""
    budget = budget or Budget(_MOST_STEPS * MOST_PATHS)
    syntax = parse_shell(script.text)
    if syntax is None or syntax.root.has_error:
        yield Path((), False, "the script cannot be parsed")
        return
    decisions: list[bool] = []
    for number in range(MOST_PATHS + 1):
        if number == MOST_PATHS:
            yield Path((), False, "there are too many ways through it")
            return
        run = Evaluation(
            script=script, syntax=syntax, positional=list(arguments), decisions=list(decisions), budget=budget
        )
        yield run.follow()
        decisions = run.decisions[: max(run.decided, 0)]
        while decisions and not decisions[-1]:
            decisions.pop()
        if not decisions:
            return
        decisions[-1] = False


@dataclass(slots=True)
class Evaluation:
    """One way through a script."""

    script: Script
    syntax: Syntax
    positional: list[str]
    decisions: list[bool]
    budget: Budget
    decided: int = 0
    known: dict[tuple[int, str], bool] = field(default_factory=dict)
    variables: dict[str, list[str]] = field(default_factory=dict)
    functions: dict[str, tuple[Syntax, Node]] = field(default_factory=dict)
    options: set[str] = field(default_factory=set)
    made: list[Made] = field(default_factory=list)
    asked: bool = False
    sure: bool = True
    foreign: bool = False
    status: bool | None = True
    steps: int = 0
    depth: int = 0
    tested: int = 0
    saved: list[dict[str, list[str] | None]] = field(default_factory=list)
    captured: list[list[str]] = field(default_factory=list)
    stdin: str | None = None

    def follow(self) -> Path:
        """Read the script from its beginning to its end."""
        stopped = None
        try:
            self.block(self.syntax.root.children)
        except (ExitSignal, ReturnSignal, LoopSignal):
            pass
        except StopSignal as stop:
            stopped = str(stop)
        except RecursionError:
            stopped = "it is nested too deeply"
        return Path(tuple(self.made), self.asked, stopped)

    # What the expansion of words asks.

    def values(self, name: str) -> list[str] | None:
        """A variable of this path."""
        if name == "@":
            return self.positional
        if name in ("0", "BASH_SOURCE"):
            return [self.script.path]
        if name == "?":
            return ["0" if self.status else UNKNOWN if self.status is None else "1"]
        if name in self.variables:
            return self.variables[name]
        if name in _OF_THE_MACHINE or (self.foreign and name.isidentifier()) or name in ("$", "!", "-"):
            return [UNKNOWN]
        return None

    def unset(self, name: str) -> str:
        """Nothing, which ends the script under nounset."""
        if "nounset" in self.options and name not in ("@", "*"):
            raise ExitSignal
        return ""

    def required(self, name: str) -> str:
        """The end of the script."""
        raise ExitSignal

    def substitution(self, text: str) -> str:
        """What the commands print, as far as they only print what is known."""
        syntax = parse_shell(text)
        if syntax is None or syntax.root.has_error or text.startswith("(("):
            return FROM_ARGUMENTS
        self.captured.append([])
        before = self.syntax
        self.syntax = syntax
        try:
            self.isolated(lambda: self.block(syntax.root.children))
        finally:
            self.syntax = before
            printed = "".join(self.captured.pop())
        return printed.rstrip("\n")

    def guess(self, text: str) -> str:
        """The default: nobody else sets variables here."""
        return text

    def assign(self, name: str, value: str) -> None:
        """A variable becomes a value."""
        self.variables[name] = [value]

    # Deciding.

    def choose(self, place: int, text: str, *, of_arguments: bool = False) -> bool:
        """Decide what nobody can tell; the same question has the same answer on one path."""
        if of_arguments:
            self.sure = False
        key = (place, text)
        if key not in self.known:
            if self.decided >= len(self.decisions):
                self.decisions.append(True)
            self.known[key] = self.decisions[self.decided]
            self.decided += 1
        return self.known[key]

    def succeeds(self, node: Node) -> bool:
        """Run a node as a condition."""
        self.tested += 1
        try:
            self.statement(node)
        finally:
            self.tested -= 1
        if self.status is None:
            self.status = self.choose(node.start_byte, self.syntax.source(node))
        return self.status

    def isolated(self, action: Callable[[], None]) -> None:
        """A subshell: variables, parameters and options stay as they are, `exit` ends only it."""
        variables, positional, options = dict(self.variables), list(self.positional), set(self.options)
        try:
            action()
        except ExitSignal:
            pass
        finally:
            self.variables, self.positional, self.options = variables, positional, options

    # Statements.

    def block(self, nodes: list[Node]) -> None:
        """Statements in turn."""
        for node in nodes:
            if node.is_named and node.type != "comment":
                self.statement(node)
                if self.status is False and not self.tested and "errexit" in self.options and _may_end(node):
                    raise ExitSignal

    def statement(self, node: Node) -> None:
        """One statement."""
        self.steps += 1
        self.budget.left -= 1
        if self.steps > _MOST_STEPS or self.depth > _DEEPEST or self.budget.left < 0:
            raise StopSignal("it does too much")
        match node.type:
            case "command":
                self.command(node)
            case "variable_assignment":
                self.assignment(node)
            case "declaration_command":
                self.declaration(node)
            case kind if kind in STATEMENTS:
                STATEMENTS[kind](self, node)
            case kind:
                raise StopSignal(f"it uses {kind.replace('_', ' ')}")

    def command(self, node: Node) -> None:
        """A simple command."""
        raw = []
        for child in node.children:
            kind = child.type
            if kind == "variable_assignment":
                expand(self.syntax.source(child).partition("=")[2], self)
            elif kind == "herestring_redirect":
                self.stdin = expand_one(self.syntax.source(child).removeprefix("<<<").strip(), self)
            elif child.is_named and kind not in ("file_redirect", "heredoc_redirect"):
                raw.append(self.syntax.source(child))
        words = self.fields(raw)
        if not words:
            self.status = True
            for child in node.children:
                if child.type == "variable_assignment":
                    self.assignment(child)
            return
        run_command(self, words, node)
        self.stdin = None

    def fields(self, raw: list[str]) -> list[str]:
        """The fields of words; many of them, or long ones, take more of the budget."""
        found = [text for one in raw for text in expand(one, self)][:_MOST_WORDS]
        self.budget.left -= len(found) // 4 + sum(map(len, found)) // _CHARS_A_STEP
        return found

    def assignment(self, node: Node) -> None:
        """`X=…`, `X+=…`, `X=(…)`; an element of an array makes the whole unknown."""
        text = self.syntax.source(node)
        name, _, raw = text.partition("=")
        append = name.endswith("+")
        name = name.rstrip("+")
        value = node.child_by_field_name("value")
        if "[" in name:
            self.variables[name.partition("[")[0]] = [FROM_ARGUMENTS]
        elif value is not None and value.type == "array":
            parts = [self.syntax.source(child) for child in value.children if child.is_named]
            items = self.fields(parts)
            held = self.variables.get(name, []) if append else []
            self.variables[name] = [*held, *items][:_MOST_WORDS]
        else:
            made = expand_one(raw, self)
            self.budget.left -= len(made) // _CHARS_A_STEP
            before = self.variables.get(name, [""])[0] if append and self.variables.get(name) else ""
            self.variables[name] = [(before + made)[:_LONGEST]]
        self.status = True

    def declaration(self, node: Node) -> None:
        """`local`, `export`, `declare`, `readonly`."""
        is_local = self.syntax.source(node).split(None, 1)[0] in ("local", "declare", "typeset")
        for child in node.children:
            name = self.syntax.source(child).partition("=")[0].rstrip("+")
            if child.type in ("variable_assignment", "variable_name"):
                if is_local and self.saved:
                    self.saved[-1].setdefault(name, self.variables.get(name))
                if child.type == "variable_assignment":
                    self.assignment(child)
                elif is_local:
                    self.variables[name] = [""]
        self.status = True

    def call(self, name: str, arguments: list[str]) -> None:
        """A function of the script."""
        syntax, body = self.functions[name]
        positional, before = self.positional, self.syntax
        self.positional, self.syntax = arguments, syntax
        self.saved.append({})
        self.depth += 1
        try:
            self.statement(body)
        except ReturnSignal:
            pass
        finally:
            self.depth -= 1
            self.positional, self.syntax = positional, before
            for variable, value in self.saved.pop().items():
                if value is None:
                    self.variables.pop(variable, None)
                else:
                    self.variables[variable] = value

    def source(self, path: str, text: str, arguments: list[str] | None) -> None:
        """Another script, read in this one (`arguments` None: with the same parameters)."""
        syntax = parse_shell(text)
        if syntax is None or syntax.root.has_error or self.depth > _DEEPEST // 2:
            raise StopSignal(f"{path} cannot be followed")
        before, positional, script = self.syntax, self.positional, self.script
        self.syntax, self.script = syntax, Script(path, text, script.find)
        if arguments is not None:
            self.positional = arguments
        self.depth += 1
        try:
            self.block(syntax.root.children)
        except ReturnSignal:
            pass
        finally:
            self.depth -= 1
            self.syntax, self.script = before, script
            if arguments is not None:
                self.positional = positional


def _may_end(node: Node) -> bool:
    """Whether errexit looks at this statement's failure: not at that of a condition in a list."""
    return node.type in ("command", "test_command", "pipeline", "redirected_statement", "subshell")
