"""Shell text (a RUN instruction, a heredoc body) -> the simple commands in it, as words.

Not a shell: nothing is expanded and control flow is flattened, because the question asked is only "which programs may
run here, with which arguments". One pass, linear in the text, no recursion deeper than `_MAX_DEPTH`.
Grammar: POSIX.1-2017, XCU chapter 2, sections 2.2 (quoting), 2.3 (tokens), 2.7 (redirection), 2.10 (commands).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_MAX_DEPTH: Final = 32
_PLAIN: Final = lazy_re(r"[^\s;&|<>()'\"\\`$]+")
_IN_QUOTES: Final = lazy_re(r"[^\"\\`$]+")
_BRACED: Final = lazy_re(r"\$\{[^{}]*\}")
_SPACES: Final = " \t\r\n\f\v"
_BLANK: Final = lazy_re(r"(?:[ \t\r]|\\\r?\n)+")
_REDIRECTION: Final = lazy_re(r"&>>?|[<>]&|<>|>\||>>|<<<|[<>]")
_HEREDOC: Final = lazy_re(r"<<(?!<)-?")
_ASSIGNMENT: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_RESERVED: Final = frozenset(
    {"if", "then", "else", "elif", "fi", "do", "done", "while", "until", "{", "}", "!", "time", "esac"}
)


@frozen
class SimpleCommand:
    """One program call. `words` are unquoted but unexpanded (`$X` stays, a command substitution becomes `$()`);
    `assignments` are the `NAME=value` words before the program; `text` is the command as written."""

    words: tuple[str, ...]
    assignments: tuple[str, ...]
    text: str


def simple_commands(text: str) -> tuple[SimpleCommand, ...]:
    """Every simple command of the text in the order they are written, those of substitutions and subshells included."""
    reader = _Reader(text)
    while reader.pos < len(text):
        reader.read_list("")
        reader.pos += 1  # a closer without an opener
    return tuple(command for _, command in sorted(reader.found, key=lambda item: item[0]))


class _Reader:
    """Where the reading is; `found` collects commands with their offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.end = 0  # of the last word or redirection, hence of the command's text
        self.depth = 0
        self.found: list[tuple[int, SimpleCommand]] = []
        self.heredocs: list[str] = []
        self.lines: dict[str, list[int]] | None = None

    def read_list(self, closer: str) -> None:
        """Commands up to `closer` of this level (left to the caller) or the end of the text."""
        words: list[tuple[int, str]] = []
        parens = 0
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if char == closer and parens == 0:
                break
            if char in ";&|()\n" and not self.text.startswith("&>", self.pos):
                parens = max(0, parens + {"(": 1, ")": -1}.get(char, 0))
                self._flush(words)
                self.pos += 1
                if char == "\n":
                    self._skip_heredocs()
            elif char in "<>&":
                self._read_redirection(words)
                self.end = self.pos
            elif not self._skip_blank_or_comment():
                start = self.pos
                words.append((start, self._read_word(closer)))
                # A closer behind an open parenthesis ends no list and begins no word: step over it, or never end.
                self.pos += self.pos == start
                self.end = self.pos
        self._flush(words)

    def _flush(self, words: list[tuple[int, str]]) -> None:
        start = 0
        while start < len(words) and words[start][1] in _RESERVED:
            start += 1
        program = start
        while program < len(words) and _ASSIGNMENT.match(words[program][1]):
            program += 1
        if start < len(words):
            offset = words[start][0]
            command = SimpleCommand(
                words=tuple(word for _, word in words[program:]),
                assignments=tuple(word for _, word in words[start:program]),
                text=self.text[offset : self.end].strip(),
            )
            self.found.append((offset, command))
        words.clear()

    def _skip_blank_or_comment(self) -> bool:
        blank = _BLANK.match(self.text, self.pos)
        if blank:
            self.pos = blank.end()
            return True
        if self.text[self.pos] in "\f\v":
            self.pos += 1
            return True
        if self.text[self.pos] == "#":
            end = self.text.find("\n", self.pos)
            self.pos = len(self.text) if end < 0 else end
            return True
        return False

    def _read_redirection(self, words: list[tuple[int, str]]) -> None:
        """Drops the operator, its target, and a file descriptor number right before it."""
        if words and words[-1][1].isdigit() and words[-1][0] + len(words[-1][1]) == self.pos:
            words.pop()
        heredoc = _HEREDOC.match(self.text, self.pos)
        operator = heredoc or _REDIRECTION.match(self.text, self.pos)
        self.pos = operator.end() if operator else self.pos + 1
        blank = _BLANK.match(self.text, self.pos)
        self.pos = blank.end() if blank else self.pos
        if self.pos < len(self.text) and self.text[self.pos] not in "\n;&|<>()":
            target = self._read_word("")
            if heredoc:
                self.heredocs.append(target)

    def _skip_heredocs(self) -> None:
        """Steps over the bodies whose operators were on the line just ended; one that never ends is no heredoc."""
        if self.lines is None and self.heredocs:
            self.lines = _line_starts(self.text)
        for delimiter in self.heredocs:
            starts = (self.lines or {}).get(delimiter, [])
            at = bisect_left(starts, self.pos)
            if at < len(starts):
                end = self.text.find("\n", starts[at])
                self.pos = len(self.text) if end < 0 else end + 1
        self.heredocs.clear()

    def _read_word(self, closer: str) -> str:
        parts: list[str] = []
        while self.pos < len(self.text):
            plain = _PLAIN.match(self.text, self.pos)
            char = self.text[self.pos]
            if plain:
                parts.append(plain.group())
                self.pos = plain.end()
            elif char in _SPACES or char in ";&|<>()" or char == closer:
                break
            elif char == "'":
                end = self.text.find("'", self.pos + 1)
                end = len(self.text) if end < 0 else end
                parts.append(self.text[self.pos + 1 : end])
                self.pos = end + 1
            elif char == '"':
                self.pos += 1
                self._read_double_quoted(parts)
            else:
                parts.append(self._read_special())
        return "".join(parts)

    def _read_double_quoted(self, parts: list[str]) -> None:
        while self.pos < len(self.text) and self.text[self.pos] != '"':
            plain = _IN_QUOTES.match(self.text, self.pos)
            if plain:
                parts.append(plain.group())
                self.pos = plain.end()
            elif self.text[self.pos] == "\\" and self.text[self.pos + 1 : self.pos + 2] not in (
                '"',
                "\\",
                "$",
                "`",
                "\n",
            ):
                parts.append("\\")
                self.pos += 1
            else:
                parts.append(self._read_special())
        self.pos += 1

    def _read_special(self) -> str:
        """A backslash escape, an expansion or a substitution; anything else stands for itself."""
        char = self.text[self.pos]
        if char == "\\":
            escaped = self.text[self.pos + 1 : self.pos + 2]
            self.pos += 2
            return "" if escaped == "\n" else escaped
        braced = _BRACED.match(self.text, self.pos)
        if braced:
            self.pos = braced.end()
            return braced.group()
        opener = 2 if self.text.startswith("$(", self.pos) else 1 if char == "`" else 0
        if opener and self.depth < _MAX_DEPTH:
            self.pos += opener
            self.depth += 1
            self.read_list(")" if opener == 2 else "`")
            self.depth -= 1
            self.pos += 1
            return "$()"
        self.pos += 1
        return char


def _line_starts(text: str) -> dict[str, list[int]]:
    """Each line without leading tabs (`<<-`) -> the offsets where such lines start, ascending."""
    starts: dict[str, list[int]] = {}
    offset = 0
    for line in text.split("\n"):
        starts.setdefault(line.lstrip("\t").rstrip("\r"), []).append(offset)
        offset += len(line) + 1
    return starts
