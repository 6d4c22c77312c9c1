"""What in a script asks the user, and what ends it. In: nodes and their text. Out: yes or no.

A reply counts when something tests it: `read answer` and then `[[ $answer == y ]]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imgscan.lazyre import lazy_re
from imgscan.project.shell.syntax import Syntax, descendants

if TYPE_CHECKING:
    from tree_sitter import Node

_TERMINAL: Final = lazy_re(r"(?:^|[\s\[(])-t\s+[\"']?(?:[012]\b|/dev/)|\btty\s+-s\b")
_DIALOGS: Final = lazy_re(r"\b(?:gum\s+confirm|whiptail\b.*--yesno|dialog\b.*--yesno|zenity\b.*--question)|\bread\s+-q")
_CONFIRMING: Final = lazy_re(r"\$\{?[A-Za-z_]*(?:CONFIRM|REALLY|ASSUME_?YES|I_AM_SURE|FORCE)", re.I | re.A)
_ENDS: Final = frozenset({"exit", "return", "die", "abort", "fail", "usage", "fatal", "bail", "false"})
_NOT_OPTIONS: Final = lazy_re(r"^[A-Za-z_]\w*$", re.A)
_TAKES_VALUE: Final = frozenset("dinNptu")


@dataclass(slots=True)
class Asking:
    """What is known so far: variables that hold a reply, functions that ask, functions that end the script."""

    replies: set[str] = field(default_factory=lambda: {"REPLY"})
    functions: set[str] = field(default_factory=set)
    ending: set[str] = field(default_factory=set)
    called: dict[str, bool] = field(default_factory=dict)

    def tests_reply(self, text: str) -> bool:
        """Whether a condition's text hangs on what the user said, or on there being a terminal."""
        if _TERMINAL.search(text) or _DIALOGS.search(text) or _CONFIRMING.search(text):
            return True
        names = set(re.findall(r"\$\{?([A-Za-z_]\w*)", text, re.A))
        if names & self.replies:
            return True
        return bool(self.functions) and bool(set(re.findall(r"[\w-]+", text)) & self.functions)

    def learn_functions(self, syntax: Syntax) -> None:
        """Note which functions ask and which end the script."""
        for node in descendants(syntax.root, "function_definition"):
            name = node.child_by_field_name("name")
            body = node.child_by_field_name("body")
            if name is None or body is None:
                continue
            text = syntax.source(body)
            called = {syntax.source(found) for found in descendants(body, "command_name")}
            if "exit" in called or called & self.ending:
                self.ending.add(syntax.source(name))
            if "read" in called or _TERMINAL.search(text) or _DIALOGS.search(text):
                self.functions.add(syntax.source(name))

    def note_read(self, arguments: list[str]) -> None:
        """`read` has set these variables."""
        names: list[str] = []
        skip = False
        for word in arguments:
            if skip:
                skip = False
            elif word.startswith("-") and len(word) > 1:
                skip = word[-1] in _TAKES_VALUE and not any(char in _TAKES_VALUE for char in word[1:-1])
                if "a" in word:
                    skip = False
            elif _NOT_OPTIONS.match(word):
                names.append(word)
        self.replies.update(names or ["REPLY"])

    def ends(self, syntax: Syntax, node: Node) -> bool:
        """Whether something in the node ends the script or the function."""
        names = (syntax.source(found) for found in descendants(node, "command_name"))
        return any(name in _ENDS or name in self.ending for name in names)
