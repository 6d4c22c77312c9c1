"""The records a Dockerfile is parsed into: file, stages, commands, heredocs.

Plain data; `parse.parse` makes them, `stages` answers questions about them.
"""

from __future__ import annotations

from imgscan.frozen import frozen
from imgscan.model import Instruction


@frozen
class Heredoc:
    """A here-document. `body` is its text as written, line ends included; `expand` is false when any part of the
    delimiter was quoted; `strip_tabs` (`<<-`) says that leading tabs of the body's lines do not count."""

    name: str
    body: str
    expand: bool
    strip_tabs: bool

    @property
    def content(self) -> str:
        """The body as the build sees it: leading tabs removed for `<<-`."""
        if not self.strip_tabs:
            return self.body
        return "\n".join(line.lstrip("\t") for line in self.body.split("\n"))


@frozen
class Command:
    """One instruction with its arguments taken apart.

    `flags`: name and value of each `--name=value` in the order written; None where there is no `=`.
    `words`: the elements of a JSON form (for HEALTHCHECK preceded by `CMD`); COPY and ADD: sources and destination;
    FROM: image, or image, `AS`, name; ENV, LABEL, ARG: `KEY=value` (ARG also `KEY`), quotes and escapes removed but
    nothing expanded; EXPOSE, VOLUME: each of them; otherwise `(value,)`, or nothing when there is no value.
    `raw_words`: the same for ENV, LABEL and ARG with quotes and escapes as written, what `expand` needs to be exact.
    `value`: the text after keyword and flags, continuations joined, comments dropped, heredoc bodies left out.
    `start`, `end`: offsets into the file's text, from the keyword to the end of the last line (heredoc terminator
    included, line end excluded).
    `trigger`: the instruction inside an ONBUILD.
    """

    instruction: Instruction
    flags: tuple[tuple[str, str | None], ...]
    words: tuple[str, ...]
    value: str
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    start: int
    end: int
    raw_words: tuple[str, ...] = ()
    trigger: Command | None = None

    @property
    def keyword(self) -> str:
        """The instruction's name in capitals."""
        return self.instruction.keyword

    def flag(self, name: str) -> str | None:
        """The value of the last flag of that name; None without one."""
        return next((value for key, value in reversed(self.flags) if key == name), None)


@frozen
class Stage:
    """A build stage. `base` is the image word of its FROM, unexpanded; `name` is in lower case as BuildKit compares it;
    `commands[0]` is the FROM."""

    index: int
    name: str | None
    base: str
    platform: str | None
    commands: tuple[Command, ...]


@frozen
class Dockerfile:
    """A parsed Dockerfile. `text` is all of it as decoded (byte order mark and line ends kept, bytes that are not UTF-8
    as surrogates); `escape` is the escape character; `directives` are the parser directives in order, names in lower
    case; `global_args` are the ARGs before the first FROM."""

    file: str
    text: str
    escape: str
    directives: tuple[tuple[str, str], ...]
    global_args: tuple[Command, ...]
    stages: tuple[Stage, ...]
