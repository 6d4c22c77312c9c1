"""A syntax tree -> the simple commands in it, with what holds where they stand: pipeline, redirects, guards, options.

One walk in the order of the text, so that constants are known where they are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.shell.asking import Asking
from imgscan.project.shell.expand import expand, expand_one
from imgscan.project.shell.options import option_changes
from imgscan.project.shell.records import Call, Redirect, Word
from imgscan.project.shell.scope import Constants, one_word, words
from imgscan.project.shell.syntax import Syntax, descendants

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_CALLS: Final = 2_000
_BLOCKS: Final = frozenset({"program", "compound_statement", "subshell", "do_group", "else_clause"})
_LOOPS: Final = frozenset({"while_statement", "for_statement", "c_style_for_statement", "select_statement"})
_ALWAYS_TRUE: Final = lazy_re(r"^(?:true|:|echo\b.*|printf\b.*|exit 0|return 0|/bin/true)$", re.S)
_ASSIGNED: Final = lazy_re(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?(\+?=)(.*)", re.S | re.A)


@frozen(kw_only=False)
class Here:
    """What holds at a place of the text."""

    function: str | None = None
    guarded: bool = False
    conditional: bool = False
    ignored: bool = False
    pipe: int | None = None
    place: int = 0
    piped: int = 1
    redirects: tuple[Redirect, ...] = ()
    heredoc: str | None = None


@dataclass(slots=True)
class CallWalk:
    """The walk; `first_line` is the line of the text's first line in its file."""

    syntax: Syntax
    first_line: int
    constants: Constants
    asking: Asking
    options: set[str]
    calls: list[Call] = field(default_factory=list)
    broken: bool = False
    pipes: int = 0
    bodies: list[tuple[str, Node]] = field(default_factory=list)

    def run(self) -> None:
        """Everything at the top, then the functions: guarded where every call of them is."""
        self.asking.learn_functions(self.syntax)
        self.block(self.syntax.root.children, Here())
        done = 0
        while done < len(self.bodies) and len(self.calls) < MAX_CALLS:
            waiting = sorted(self.bodies[done:], key=lambda body: body[0] not in self.asking.called)
            self.bodies[done:] = waiting
            name, body = self.bodies[done]
            done += 1
            here = Here(function=name, guarded=self.asking.called.get(name, False))
            self.statement(body, here)

    def block(self, nodes: list[Node], here: Here) -> bool:
        """Statements one after the other; whether what follows them is guarded."""
        for node in nodes:
            if node.is_named and self.statement(node, here):
                here = replace(here, guarded=True)
        return here.guarded

    def statement(self, node: Node, here: Here) -> bool:
        """One statement; whether what follows it in the same block is guarded by it."""
        kind = node.type
        if kind == "ERROR" or node.is_missing or (node.has_error and kind in ("command", "list", "pipeline")):
            self.broken = True
            return here.guarded
        if kind == "command":
            return self.command(node, here)
        if kind in ("declaration_command", "variable_assignment", "variable_assignments", "unset_command"):
            self.assignments(node, here)
        elif kind == "function_definition":
            self.function(node)
        elif kind == "list":
            return self.and_or_list(node, here)
        elif kind == "pipeline":
            return self.pipeline(node, here)
        elif kind == "redirected_statement":
            return self.redirected(node, here)
        elif kind == "if_statement":
            return self.branches(node, here)
        elif kind == "case_statement":
            return self.case(node, here)
        elif kind in _LOOPS:
            return self.loop(node, here)
        elif kind == "subshell":
            self.block(node.children, here)
        elif kind in _BLOCKS:
            return self.block(node.children, here)
        elif kind == "negated_command":
            return self.block(node.children, replace(here, conditional=True))
        elif kind in ("test_command",):
            self.substitutions(node, here)
        return here.guarded

    def command(self, node: Node, here: Here) -> bool:
        if len(self.calls) >= MAX_CALLS:
            self.broken = True
            return here.guarded
        raw, redirects, heredoc, assigned = self.parts(node)
        found: list[Word] = []
        for text in raw:
            found += words(text, self.constants)
        for text in assigned:
            self.constants.note_reads(text)
        here = self._numbered(here)
        call = Call(
            words=tuple(found),
            assignments=tuple(assigned),
            redirects=(*redirects, *here.redirects),
            line=self.first_line + node.start_point[0],
            end_line=self.first_line + node.end_point[0],
            start=self.syntax.offset(node.start_byte),
            end=self.syntax.offset(node.end_byte),
            pipe=here.pipe if here.pipe is not None else 0,
            place=here.place,
            piped=here.piped,
            function=here.function,
            guarded=here.guarded,
            conditional=here.conditional,
            ignored=here.ignored,
            heredoc=heredoc or here.heredoc,
            options=frozenset(self.options),
        )
        self.calls.append(call)
        self.substitutions(node, here)
        return self._effect(call, raw, here)

    def _effect(self, call: Call, raw: list[str], here: Here) -> bool:
        """What a call changes for what follows: options, replies, a function that asks and ends."""
        self.after_call(call)
        name = call.words[0].text if call.words else None
        if name == "set" and not here.conditional and here.function is None:
            on, off = option_changes(tuple(word.text or "" for word in call.words[1:]))
            self.options |= on
            self.options -= off
        elif name == "read":
            if not any(redirect.operator.startswith("<") for redirect in call.redirects) and call.place == 0:
                self.asking.note_read(raw[1:])
            for word in raw[1:]:
                self.constants.known[word] = None
        elif name is not None:
            if name in self.asking.called:
                self.asking.called[name] = self.asking.called[name] and here.guarded
            else:
                self.asking.called[name] = here.guarded
            if name in self.asking.functions and name in self.asking.ending:
                return True
        return here.guarded

    def after_call(self, call: Call) -> None:
        """For walks that do more with a call."""

    def parts(self, node: Node) -> tuple[list[str], list[Redirect], str | None, list[str]]:
        """Words as written, redirects, the text of a heredoc, assignments before the command."""
        raw: list[str] = []
        redirects: list[Redirect] = []
        assigned: list[str] = []
        heredoc = None
        for child in node.children:
            if child.type == "variable_assignment":
                assigned.append(self.syntax.source(child))
            elif child.type == "herestring_redirect":
                heredoc = self._herestring(child)
                redirects.append(Redirect(operator="<<<", descriptor=None, target=None))
            elif child.type == "file_redirect":
                heredoc = self.heredoc(child) or heredoc
                redirects.append(self.redirect(child))
            elif child.is_named:
                raw.append(self.syntax.source(child))
        return raw, redirects, heredoc, assigned

    def redirect(self, node: Node) -> Redirect:
        """`2> file`, `>&2`, `< file`, `<<EOF`."""
        if self.heredoc(node) is not None:
            return Redirect(operator="<<", descriptor=None, target=None)
        descriptor, operator, written = None, "", ""
        for child in node.children:
            text = self.syntax.source(child)
            if child.type == "file_descriptor":
                descriptor = int(text) if text.isdigit() and len(text) < 4 else None
            elif not child.is_named and not operator:
                operator = text
            elif child.is_named and not written:
                # The grammar gives the parts of a word that has backquotes in it one by one.
                written = self.syntax.data[child.start_byte : node.end_byte].decode("utf-8", "surrogateescape")
                written = (
                    re.split(r"\s", written, maxsplit=1)[0] if child.type == "word" and "`" not in written else written
                )
        target = one_word(written, self.constants) if written else None
        if operator.endswith("&") and target is not None and (target.text or "").rstrip("-").isdigit():
            operator, target = f"{operator}{target.text}", None
        start, end = self.syntax.offset(node.start_byte), self.syntax.offset(node.end_byte)
        return Redirect(operator=operator, descriptor=descriptor, target=target, start=start, end=end)

    def heredoc(self, node: Node) -> str | None:
        """The text of a heredoc, whose place the plain redirect has taken."""
        return self.syntax.heredocs.get(self.syntax.offset(node.start_byte)) if self.syntax.heredocs else None

    def _herestring(self, node: Node) -> str | None:
        named = [child for child in node.children if child.is_named]
        return one_word(self.syntax.source(named[0]), self.constants).shape if named else None

    def _numbered(self, here: Here) -> Here:
        if here.pipe is not None:
            return here
        self.pipes += 1
        return replace(here, pipe=self.pipes)

    def substitutions(self, node: Node, here: Here) -> None:
        """Commands inside words: `$(…)`, `<(…)`."""
        plain = replace(here, pipe=None, place=0, piped=1, redirects=(), heredoc=None, ignored=False)
        waiting = list(reversed(node.children))
        while waiting:
            found = waiting.pop()
            if found.type in ("command_substitution", "process_substitution"):
                self.block(found.children, plain)
            else:
                waiting += reversed(found.children)

    def assignments(self, node: Node, here: Here) -> None:
        """`X=…`, `local X=…`, `export X`."""
        self.substitutions(node, here)
        nodes = [node] if node.type == "variable_assignment" else list(descendants(node, "variable_assignment"))
        for one in nodes[:MAX_CALLS]:
            found = _ASSIGNED.match(self.syntax.source(one))
            if found is None:
                continue
            name, operator, raw = found[1], found[2], found[3]
            value = one.child_by_field_name("value")
            array = value is not None and value.type == "array"
            if value is not None and array:
                parts = [self.syntax.source(child) for child in value.children if child.is_named]
                values = [text for part in parts for text in expand(part, self.constants)]
            else:
                values = [expand_one(raw, self.constants)]
            self.constants.note_reads(raw)
            if self.asking.tests_reply(raw):
                self.asking.replies.add(name)
            maybe = here.conditional or here.function is not None
            self.constants.set(name, values, append=operator == "+=", array=array, maybe=maybe)

    def function(self, node: Node) -> None:
        """A definition: its body is walked after everything else."""
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self.bodies.append((self.syntax.source(name), body))

    def and_or_list(self, node: Node, here: Here) -> bool:
        """`a && b || c`, which nest to the left."""
        operands: list[Node] = []
        operators: list[str] = []
        at = node
        while at.type == "list" and len(at.children) >= 3:
            operands.append(at.children[-1])
            operators.append(self.syntax.source(at.children[1]))
            at = at.children[0]
        operands.append(at)
        operands.reverse()
        operators.reverse()
        return self._and_or(operands, operators, here)

    def _and_or(self, operands: list[Node], operators: list[str], here: Here) -> bool:
        asked = here.guarded
        after = here.guarded
        for number, operand in enumerate(operands):
            following = operators[number] if number < len(operators) else ""
            last = operands[-1]
            ignored = following == "||" or (bool(operators) and number < len(operands) - 1 and operators[-1] == "||")
            ignored = ignored and bool(_ALWAYS_TRUE.match(self.syntax.source(last)))
            inner = replace(
                here,
                guarded=asked,
                conditional=here.conditional or number > 0,
                ignored=here.ignored or ignored,
            )
            guards = self.statement(operand, inner)
            tests = self.asking.tests_reply(self.syntax.source(operand))
            if (tests or asked) and number + 1 < len(operands) and self.asking.ends(self.syntax, operands[number + 1]):
                after = after or tests
            asked = asked or tests or (guards and not inner.guarded)
            after = after or (guards and not asked)
        return after

    def pipeline(self, node: Node, here: Here) -> bool:
        """`a | b | c`."""
        here = self._numbered(here)
        after = here.guarded
        stages = _stages(node)
        for number, (stage, written) in enumerate(stages):
            redirects = tuple(self.redirect(one) for one in written)
            last = here.redirects if number == len(stages) - 1 else ()
            inner = replace(here, place=number, piped=len(stages), redirects=(*redirects, *last))
            after = self.statement(stage, inner) or after
        return after

    def redirected(self, node: Node, here: Here) -> bool:
        """A statement with redirects after it; those of a pipeline or a list belong to its last command."""
        body = node.child_by_field_name("body")
        redirects: list[Redirect] = []
        heredoc = here.heredoc
        for child in node.children:
            if child.type == "file_redirect":
                heredoc = self.heredoc(child) or heredoc
                redirects.append(self.redirect(child))
                self.substitutions(child, here)
            elif child.type == "herestring_redirect":
                heredoc = self._herestring(child)
        if body is None:
            return here.guarded
        return self.statement(body, replace(here, redirects=(*here.redirects, *redirects), heredoc=heredoc))

    def branches(self, node: Node, here: Here) -> bool:
        """`if`: what stands in it is guarded by a condition that asks; what follows it, when a branch of one ends."""
        asked = tested = here.guarded
        in_condition = True
        for child in node.children:
            if not child.is_named:
                in_condition = in_condition and child.type != "then"
            elif in_condition:
                ended = self.statement(child, here)
                tested = tested or ended or self.asking.tests_reply(self.syntax.source(child))
                asked = tested
            else:
                inside = replace(here, conditional=True, guarded=asked)
                if child.type == "elif_clause":
                    self.branches(child, replace(inside, guarded=tested))
                elif child.type == "else_clause":
                    self.block(child.children, replace(inside, guarded=tested))
                else:
                    asked = self.statement(child, inside) or asked
        return here.guarded or (tested and self.asking.ends(self.syntax, node))

    def case(self, node: Node, here: Here) -> bool:
        """`case`: guarded when it tests a reply."""
        value = node.child_by_field_name("value")
        asked = here.guarded or (value is not None and self.asking.tests_reply(self.syntax.source(value)))
        inside = replace(here, conditional=True, guarded=asked)
        for item in node.children:
            if item.type == "case_item":
                values = {id(child) for child in item.children_by_field_name("value")}
                self.block([child for child in item.children if id(child) not in values], inside)
        return here.guarded or (asked and self.asking.ends(self.syntax, node))

    def loop(self, node: Node, here: Here) -> bool:
        """A loop; the variable of a `for` is not a constant."""
        variable = node.child_by_field_name("variable")
        if variable is not None:
            self.constants.known[self.syntax.source(variable)] = None
        inside = replace(here, conditional=True)
        after = here.guarded
        for child in node.children:
            if not child.is_named:
                continue
            if child.type == "do_group":
                after = self.block(child.children, replace(inside, guarded=after)) or after
            elif node.type == "while_statement":
                replies = set(self.asking.replies)
                after = self.statement(child, here) or after
                if re.search(r"\bread\b", self.syntax.source(child)) and here.redirects:
                    self.asking.replies = replies
                elif self.asking.tests_reply(self.syntax.source(child)):
                    after = True
            else:
                self.substitutions(child, here)
        return after


def _stages(node: Node) -> list[tuple[Node, list[Node]]]:
    """The programs of a pipeline with redirects of their own; the grammar nests `a | b 2>&1 | c` to the left."""
    found: list[tuple[Node, list[Node]]] = []
    for child in node.children:
        body = child.child_by_field_name("body") if child.type == "redirected_statement" else child
        if body is not None and body.type == "pipeline":
            found += _stages(body)
            if child is not body:
                found[-1][1].extend(one for one in child.children if one.type == "file_redirect")
        elif child.is_named:
            found.append((child, []))
    return found
