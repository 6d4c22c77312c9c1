"""Statements of a script as the reading of it follows them: lists, pipelines, conditions, loops, functions.

In: an `Evaluation` and a node. Out: what the statement changes in it. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from imgscan.project.shell import conditions
from imgscan.project.shell.expand import expand, expand_one, expand_pattern
from imgscan.project.shell.glob import FROM_ARGUMENTS, UNKNOWN, matches
from imgscan.project.shell.ways import LoopSignal, StopSignal

if TYPE_CHECKING:
    from tree_sitter import Node

    from imgscan.project.shell.evaluate import Evaluation

_MOST_LOOPS: Final = 100


def and_or_list(run: Evaluation, node: Node) -> None:
    """`a && b || c`."""
    first, operator, second = node.children[0], run.syntax.source(node.children[1]), node.children[-1]
    if run.succeeds(first) == (operator == "&&"):
        run.statement(second)


def pipeline(run: Evaluation, node: Node) -> None:
    """`a | b`: each a subshell; what one prints, the next reads."""
    stages = [child for child in node.children if child.is_named]
    text: str | None = None
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        if not last:
            run.captured.append([])
        run.stdin = text
        run.isolated(lambda stage=stage: run.statement(stage))  # type: ignore[misc]
        if not last:
            text = "".join(run.captured.pop())
    run.stdin = None


def test(run: Evaluation, node: Node) -> None:
    """`[[ … ]]`, `[ … ]` and `(( … ))`."""
    text = run.syntax.source(node).strip()
    if text.startswith("[["):
        verdict = conditions.double_bracket(text[2:-2], run)
    elif text.startswith("(("):
        verdict = conditions.arithmetic(text[2:-2], run)
    else:
        words = [word for raw in conditions.raw_words(text[1:-1]) for word in expand(raw.lstrip("\\"), run)]
        verdict = conditions.single_bracket(words)
    run.status = verdict.value
    if verdict.value is None:
        run.status = run.choose(node.start_byte, _question(run, text), of_arguments=verdict.of_arguments)


def _question(run: Evaluation, text: str) -> str:
    return f"{run.script.path}:{text}:{run.positional}"


def negated(run: Evaluation, node: Node) -> None:
    """`! command`."""
    run.status = not run.succeeds(node.children[-1])


def redirected(run: Evaluation, node: Node) -> None:
    """A statement with redirects; a herestring is what it reads."""
    body = node.child_by_field_name("body")
    for child in node.children:
        if child.type == "herestring_redirect":
            run.stdin = expand_one(run.syntax.source(child).removeprefix("<<<").strip(), run)
        elif child.type == "file_redirect" and run.syntax.source(child).lstrip().startswith("<"):
            run.stdin = UNKNOWN
    if body is not None:
        run.statement(body)
    run.stdin = None


def branches(run: Evaluation, node: Node) -> None:
    """`if`, `elif`, `else`."""
    if _branch(run, node):
        return
    run.status = True
    for other in node.children:
        if other.type == "else_clause":
            run.block(other.children)
        elif other.type == "elif_clause" and _branch(run, other):
            return


def _branch(run: Evaluation, node: Node) -> bool:
    """One condition and what follows its `then`; whether it held."""
    condition: list[Node] = []
    bodies: list[Node] = []
    in_condition = True
    for child in node.children:
        if child.type == "then":
            in_condition = False
        elif child.is_named and child.type not in ("comment", "elif_clause", "else_clause"):
            (condition if in_condition else bodies).append(child)
    if not _all(run, condition):
        return False
    run.block(bodies)
    return True


def _all(run: Evaluation, condition: list[Node]) -> bool:
    """The status of the last of the conditions."""
    value = False
    for node in condition:
        value = run.succeeds(node)
    return value


def case(run: Evaluation, node: Node) -> None:
    """`case`: the first pattern that matches."""
    value = node.child_by_field_name("value")
    text = expand_one(run.syntax.source(value), run) if value is not None else ""
    run.status = True
    falls = False
    for item in node.children:
        if item.type != "case_item":
            continue
        patterns = item.children_by_field_name("value")
        if falls or any(_matches(run, pattern, text) for pattern in patterns):
            places = {pattern.id for pattern in patterns}
            run.block([child for child in item.children if child.id not in places])
            falls = any(child.type == ";&" for child in item.children)
            if not falls:
                return


def _matches(run: Evaluation, pattern: Node, text: str) -> bool:
    pieces = expand_pattern(run.syntax.source(pattern), run)
    found = matches(pieces, text)
    if found is None:
        tainted = FROM_ARGUMENTS in text or any(FROM_ARGUMENTS in piece for piece, _ in pieces)
        return run.choose(pattern.start_byte, text, of_arguments=tainted)
    return found


def for_loop(run: Evaluation, node: Node) -> None:
    """`for x in …`; without `in`, over the parameters."""
    variable = node.child_by_field_name("variable")
    raws = [run.syntax.source(child) for child in node.children_by_field_name("value")]
    body = node.child_by_field_name("body")
    if variable is None or body is None or run.syntax.source(node).startswith("select"):
        raise StopSignal("it uses a menu")
    has_in = any(child.type == "in" for child in node.children)
    items = [word for raw in raws for word in expand(raw, run)] if has_in else list(run.positional)
    for item in items[:_MOST_LOOPS]:
        run.variables[run.syntax.source(variable)] = [item]
        if not _round(run, body):
            break


def while_loop(run: Evaluation, node: Node) -> None:
    """`while` and `until`."""
    until = node.children[0].type == "until"
    body = node.child_by_field_name("body")
    condition = [child for child in node.children if child.is_named and child.type not in ("do_group", "comment")]
    reads = run.stdin is not None
    for _ in range(_MOST_LOOPS):
        if _all(run, condition) == until or body is None:
            return
        if not _round(run, body) or reads:
            return
    raise StopSignal("a loop does not end")


def _round(run: Evaluation, body: Node) -> bool:
    """One round of a loop; whether there may be another."""
    try:
        run.block(body.children)
    except LoopSignal as signal:
        if signal.levels > 1:
            raise LoopSignal(signal.again, signal.levels - 1) from None
        return signal.again
    return True


def define(run: Evaluation, node: Node) -> None:
    """A function."""
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is not None and body is not None:
        run.functions[run.syntax.source(name)] = (run.syntax, body)
    run.status = True


def compound(run: Evaluation, node: Node) -> None:
    """`{ …; }`, and `(( … ))`, which the grammar takes for one."""
    if run.syntax.source(node).startswith("(("):
        test(run, node)
    else:
        run.block(node.children)


def subshell(run: Evaluation, node: Node) -> None:
    """`( … )`."""
    run.isolated(lambda: run.block(node.children))


def many_assignments(run: Evaluation, node: Node) -> None:
    """`A=1 B=2`."""
    for child in node.children:
        if child.type == "variable_assignment":
            run.assignment(child)


def forget(run: Evaluation, node: Node) -> None:
    """`unset`."""
    for child in node.children[1:]:
        run.variables.pop(run.syntax.source(child), None)
    run.status = True


STATEMENTS: Final[dict[str, Callable[[Evaluation, Node], None]]] = {
    "variable_assignments": many_assignments,
    "unset_command": forget,
    "list": and_or_list,
    "pipeline": pipeline,
    "test_command": test,
    "negated_command": negated,
    "redirected_statement": redirected,
    "if_statement": branches,
    "case_statement": case,
    "for_statement": for_loop,
    "while_statement": while_loop,
    "function_definition": define,
    "compound_statement": compound,
    "subshell": subshell,
    "do_group": compound,
}
"""By the grammar's kinds of nodes; simple commands and assignments are the `Evaluation`'s own."""
