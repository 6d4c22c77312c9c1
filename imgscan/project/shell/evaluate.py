"""A script and its arguments -> the calls that it would make, found by reading it: nothing is run.

Conditions that hang on the machine (files, other programs) are taken both ways, path by path; what hangs on the
arguments in a way that this does not follow makes a path uncertain. In: a `Script`. Out: one `Path` for each way through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imgscan.project.shell import conditions
from imgscan.project.shell.builtins import run_command
from imgscan.project.shell.expand import expand, expand_one, expand_pattern
from imgscan.project.shell.glob import FROM_ARGUMENTS, UNKNOWN, matches
from imgscan.project.shell.syntax import Syntax, parse_shell

if TYPE_CHECKING:
    from tree_sitter import Node

MOST_PATHS: Final = 64
_MOST_STEPS: Final = 4_000
_MOST_LOOPS: Final = 100
_DEEPEST: Final = 24
_TESTS: Final = frozenset({"-v"})
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


@dataclass(frozen=True, slots=True)
class Script:
    """A script to be read: its path and text, and how others are found by their path's known end."""

    path: str
    text: str
    find: Callable[[str, str], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Made:
    """A call that a path makes: its words, whether the user was asked before, whether it is certain."""

    words: tuple[str, ...]
    asked: bool
    sure: bool


@dataclass(frozen=True, slots=True)
class Path:
    """One way through the script. `stopped`: why the reading ended early, None if it did not."""

    made: tuple[Made, ...]
    asked: bool
    stopped: str | None = None


class ExitSignal(Exception):
    """`exit`, `exec`, or a failure under errexit."""


class ReturnSignal(Exception):
    """`return`."""


class LoopSignal(Exception):
    """`break` and `continue`."""

    def __init__(self, again: bool, levels: int = 1) -> None:
        super().__init__()
        self.again = again
        self.levels = levels


class StopSignal(Exception):
    """What this does not follow, or too much of it."""


def paths(script: Script, arguments: tuple[str, ...]) -> Iterator[Path]:
    """The ways through, at most `MOST_PATHS`; the last one says so when there are more."""
    syntax = parse_shell(script.text)
    if syntax is None or syntax.root.has_error:
        yield Path((), False, "the script cannot be parsed")
        return
    decisions: list[bool] = []
    for number in range(MOST_PATHS + 1):
        if number == MOST_PATHS:
            yield Path((), False, "there are too many ways through it")
            return
        run = Evaluation(script=script, syntax=syntax, positional=list(arguments), decisions=list(decisions))
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
        if self.steps > _MOST_STEPS or self.depth > _DEEPEST:
            raise StopSignal("it does too much")
        handler = _STATEMENTS.get(node.type)
        if handler is None:
            raise StopSignal(f"it uses {node.type.replace('_', ' ')}")
        handler(self, node)

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
        words = [text for one in raw for text in expand(one, self)]
        if not words:
            self.status = True
            for child in node.children:
                if child.type == "variable_assignment":
                    self.assignment(child)
            return
        run_command(self, words, node)
        self.stdin = None

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
            items = [word for part in parts for word in expand(part, self)]
            self.variables[name] = [*(self.variables.get(name, []) if append else []), *items]
        else:
            made = expand_one(raw, self)
            before = self.variables.get(name, [""])[0] if append and self.variables.get(name) else ""
            self.variables[name] = [before + made]
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

    def list(self, node: Node) -> None:
        """`a && b || c`."""
        first, operator, second = node.children[0], self.syntax.source(node.children[1]), node.children[-1]
        if self.succeeds(first) == (operator == "&&"):
            self.statement(second)

    def pipeline(self, node: Node) -> None:
        """`a | b`: each a subshell; what one prints, the next reads."""
        stages = [child for child in node.children if child.is_named]
        text: str | None = None
        for number, stage in enumerate(stages):
            last = number == len(stages) - 1
            if not last:
                self.captured.append([])
            self.stdin = text
            self.isolated(lambda stage=stage: self.statement(stage))  # type: ignore[misc]
            if not last:
                text = "".join(self.captured.pop())
        self.stdin = None

    def test(self, node: Node) -> None:
        """`[[ … ]]`, `[ … ]` and `(( … ))`."""
        text = self.syntax.source(node).strip()
        if text.startswith("[["):
            verdict = conditions.double_bracket(text[2:-2], self)
        elif text.startswith("(("):
            verdict = conditions.arithmetic(text[2:-2], self)
        else:
            words = [word for raw in conditions.raw_words(text[1:-1]) for word in expand(raw.lstrip("\\"), self)]
            verdict = conditions.single_bracket(words)
        self.status = verdict.value
        if verdict.value is None:
            self.status = self.choose(node.start_byte, self._question(text), of_arguments=verdict.of_arguments)

    def _question(self, text: str) -> str:
        return f"{self.script.path}:{text}:{self.positional}"

    def negated(self, node: Node) -> None:
        """`! command`."""
        self.status = not self.succeeds(node.children[-1])

    def redirected(self, node: Node) -> None:
        """A statement with redirects; a herestring is what it reads."""
        body = node.child_by_field_name("body")
        for child in node.children:
            if child.type == "herestring_redirect":
                self.stdin = expand_one(self.syntax.source(child).removeprefix("<<<").strip(), self)
            elif child.type == "file_redirect" and self.syntax.source(child).lstrip().startswith("<"):
                self.stdin = UNKNOWN
        if body is not None:
            self.statement(body)
        self.stdin = None

    def branches(self, node: Node) -> None:
        """`if`, `elif`, `else`."""
        condition: list[Node] = []
        bodies: list[Node] = []
        others: list[Node] = []
        in_condition = True
        for child in node.children:
            if child.type == "then":
                in_condition = False
            elif child.type in ("elif_clause", "else_clause"):
                others.append(child)
            elif child.is_named and child.type != "comment":
                (condition if in_condition else bodies).append(child)
        if self._all(condition):
            self.block(bodies)
            return
        self.status = True
        for other in others:
            if other.type == "else_clause":
                self.block(other.children)
            else:
                nodes = [child for child in other.children if child.is_named]
                if self._elif(other):
                    return
                _ = nodes

    def _elif(self, node: Node) -> bool:
        condition: list[Node] = []
        bodies: list[Node] = []
        in_condition = True
        for child in node.children:
            if child.type == "then":
                in_condition = False
            elif child.is_named and child.type != "comment":
                (condition if in_condition else bodies).append(child)
        if self._all(condition):
            self.block(bodies)
            return True
        return False

    def _all(self, condition: list[Node]) -> bool:
        """The status of the last of the conditions."""
        value = False
        for node in condition:
            value = self.succeeds(node)
        return value

    def case(self, node: Node) -> None:
        """`case`: the first pattern that matches."""
        value = node.child_by_field_name("value")
        text = expand_one(self.syntax.source(value), self) if value is not None else ""
        self.status = True
        falls = False
        for item in node.children:
            if item.type != "case_item":
                continue
            patterns = item.children_by_field_name("value")
            if falls or any(self._matches(pattern, text) for pattern in patterns):
                places = {pattern.id for pattern in patterns}
                self.block([child for child in item.children if child.id not in places])
                falls = any(child.type == ";&" for child in item.children)
                if not falls:
                    return

    def _matches(self, pattern: Node, text: str) -> bool:
        pieces = expand_pattern(self.syntax.source(pattern), self)
        found = matches(pieces, text)
        if found is None:
            tainted = FROM_ARGUMENTS in text or any(FROM_ARGUMENTS in piece for piece, _ in pieces)
            return self.choose(pattern.start_byte, text, of_arguments=tainted)
        return found

    def for_loop(self, node: Node) -> None:
        """`for x in …`; without `in`, over the parameters."""
        variable = node.child_by_field_name("variable")
        raws = [self.syntax.source(child) for child in node.children_by_field_name("value")]
        body = node.child_by_field_name("body")
        if variable is None or body is None or self.syntax.source(node).startswith("select"):
            raise StopSignal("it uses a menu")
        has_in = any(child.type == "in" for child in node.children)
        items = [word for raw in raws for word in expand(raw, self)] if has_in else list(self.positional)
        for item in items[:_MOST_LOOPS]:
            self.variables[self.syntax.source(variable)] = [item]
            if not self._round(body):
                break

    def while_loop(self, node: Node) -> None:
        """`while` and `until`."""
        until = node.children[0].type == "until"
        body = node.child_by_field_name("body")
        condition = [child for child in node.children if child.is_named and child.type not in ("do_group", "comment")]
        reads = self.stdin is not None
        for _ in range(_MOST_LOOPS):
            if self._all(condition) == until or body is None:
                return
            if not self._round(body) or reads:
                return
        raise StopSignal("a loop does not end")

    def _round(self, body: Node) -> bool:
        """One round of a loop; whether there may be another."""
        try:
            self.block(body.children)
        except LoopSignal as signal:
            if signal.levels > 1:
                raise LoopSignal(signal.again, signal.levels - 1) from None
            return signal.again
        return True

    def define(self, node: Node) -> None:
        """A function."""
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self.functions[self.syntax.source(name)] = (self.syntax, body)
        self.status = True

    def compound(self, node: Node) -> None:
        """`{ …; }`, and `(( … ))`, which the grammar takes for one."""
        if self.syntax.source(node).startswith("(("):
            self.test(node)
        else:
            self.block(node.children)

    def subshell(self, node: Node) -> None:
        """`( … )`."""
        self.isolated(lambda: self.block(node.children))

    def many_assignments(self, node: Node) -> None:
        """`A=1 B=2`."""
        for child in node.children:
            if child.type == "variable_assignment":
                self.assignment(child)

    def forget(self, node: Node) -> None:
        """`unset`."""
        for child in node.children[1:]:
            self.variables.pop(self.syntax.source(child), None)
        self.status = True


def _may_end(node: Node) -> bool:
    """Whether errexit looks at this statement's failure: not at that of a condition in a list."""
    return node.type in ("command", "test_command", "pipeline", "redirected_statement", "subshell")


_STATEMENTS: Final[dict[str, Callable[[Evaluation, Node], None]]] = {
    "command": Evaluation.command,
    "variable_assignment": Evaluation.assignment,
    "variable_assignments": Evaluation.many_assignments,
    "declaration_command": Evaluation.declaration,
    "unset_command": Evaluation.forget,
    "list": Evaluation.list,
    "pipeline": Evaluation.pipeline,
    "test_command": Evaluation.test,
    "negated_command": Evaluation.negated,
    "redirected_statement": Evaluation.redirected,
    "if_statement": Evaluation.branches,
    "case_statement": Evaluation.case,
    "for_statement": Evaluation.for_loop,
    "while_statement": Evaluation.while_loop,
    "function_definition": Evaluation.define,
    "compound_statement": Evaluation.compound,
    "subshell": Evaluation.subshell,
    "do_group": Evaluation.compound,
}
