"""Heredocs of a shell text, taken out of it: a grammar that is line-blind misreads what stands behind them.

In: a text. Out: the same text, as long as before, with each `<<WORD` made a plain redirect and its lines blank; and the
lines by the place of the redirect. POSIX.1-2017, XCU 2.7.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from imgscan.lazyre import lazy_re

_START: Final = lazy_re(r"<<(?P<dash>-?)[ \t]*(?P<word>(?:'[^'\n]*'|\"[^\"\n]*\"|\\?[^\s;&|<>()'\"`]+)+)")
_PLAIN: Final = lazy_re(r"[^\s'\"\\$(){}<#`;&|]+|[;&|`]")
_MOST: Final = 500


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    stack: list[str] = field(default_factory=list)
    pending: list[tuple[int, str, bool]] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    found: dict[int, str] = field(default_factory=dict)

    def run(self) -> None:
        while self.at < len(self.text):
            start = self.at
            self.step()
            if self.at == start:
                self.at += 1
            if len(self.out) == 0 or self.out[-1] != "":
                self.out.append(self.text[start : self.at])
            else:
                self.out.pop()

    def step(self) -> None:
        """One token; a token that writes its own output leaves an empty part at the end of `out`."""
        char = self.text[self.at]
        inside = self.stack[-1] if self.stack else ""
        if char == "\\":
            self.at += 2
        elif char == "\n":
            self.at += 1
            if self.pending and inside != '"':
                self.out.append("\n")
                self._bodies()
                self.out.append("")
        elif inside == '"':
            self._in_quotes(char)
        elif char == "'":
            end = self.text.find("'", self.at + 1)
            self.at = len(self.text) if end < 0 else end + 1
        elif char == '"':
            self.stack.append('"')
            self.at += 1
        elif char == "#" and (self.at == 0 or self.text[self.at - 1] in " \t\n;"):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif char in "$({)}":
            self._bracket(char, inside)
        elif char == "<" and self.text.startswith("<<", self.at) and inside != "((":
            self._heredoc()
        else:
            plain = _PLAIN.match(self.text, self.at)
            self.at = plain.end() if plain else self.at + 1

    def _in_quotes(self, char: str) -> None:
        if char == '"':
            self.stack.pop()
            self.at += 1
        elif char == "$":
            self._bracket(char, '"')
        else:
            self.at += 1

    def _bracket(self, char: str, inside: str) -> None:
        if char == "$" and self.text.startswith("${", self.at):
            self.stack.append("{")
            self.at += 2
        elif char == "$" and self.text.startswith("$(", self.at):
            self.at += 1
            self._open()
        elif char == "(":
            self._open()
        elif (char == ")" and inside in ("(", "((")) or (char == "}" and inside == "{"):
            self.stack.pop()
            self.at += 2 if inside == "((" and self.text.startswith("))", self.at) else 1
        else:
            self.at += 1

    def _open(self) -> None:
        double = self.text.startswith("((", self.at)
        self.stack.append("((" if double else "(")
        self.at += 2 if double else 1

    def _heredoc(self) -> None:
        if self.text.startswith("<<<", self.at):
            self.at += 3
            return
        found = _START.match(self.text, self.at)
        if found is None or len(self.found) + len(self.pending) >= _MOST:
            self.at += 2
            return
        word = re.sub(r"['\"\\]", "", found["word"])
        self.pending.append((self.at, word, bool(found["dash"])))
        self.out += ["<" + "h" * (len(found[0]) - 1), ""]
        self.at = found.end()

    def _bodies(self) -> None:
        for place, word, dash in self.pending:
            lines: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                ended = (line.lstrip("\t") if dash else line).rstrip("\r") == word
                self.out.append(" " * len(line))
                self.out.append(self.text[end : end + 1])
                self.at = min(end + 1, len(self.text))
                if ended:
                    break
                lines.append(line.lstrip("\t") if dash else line)
            self.found[place] = "\n".join([*lines, ""])
        self.pending.clear()


def without_heredocs(text: str) -> tuple[str, dict[int, str]]:
    """The text with its heredocs as plain redirects, and what they hold by the offset of the redirect."""
    if "<<" not in text:
        return text, {}
    reader = _Reader(text=text)
    reader.run()
    return "".join(reader.out), reader.found
