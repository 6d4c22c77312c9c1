"""The nouns of shell texts. Lines are those of the file that the text stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from imgscan.frozen import frozen


class ShellKind(StrEnum):
    """Where a shell text comes from."""

    SCRIPT = "script"
    PACKAGE = "package.json"
    MAKE = "make"
    CI = "ci"
    README = "readme"
    COMPOSE = "compose"
    CRON = "cron"


@frozen
class Word:
    """A word of a command: as written, and its text when that is known without running anything (None: it is made by an
    expansion). `literal_head` is the known text before the first expansion, `shape` the whole with a NUL for every part
    that is not known."""

    raw: str
    text: str | None
    literal_head: str
    shape: str = ""


@frozen
class Redirect:
    """`> file`, `< file`, `2>&1`. `operator` as written; `target` None for a descriptor. `start` and `end` are its
    place in the text."""

    operator: str
    descriptor: int | None
    target: Word | None
    start: int = 0
    end: int = 0


@frozen
class Call:
    """A simple command. `assignments` come before it; `pipe` numbers its pipeline in the text and `place` its place
    there (0 first, `piped` how many are in it); `guarded`: it runs only if the user said yes (a read or a test of a
    reply decides); `function`: the function it stands in; `conditional`: it may not run; `ignored`: its failure is
    ignored (`|| true`). `heredoc` is the text that it reads from the script, `options` are those in force there."""

    words: tuple[Word, ...]
    assignments: tuple[str, ...]
    redirects: tuple[Redirect, ...]
    line: int
    end_line: int
    start: int
    end: int
    pipe: int
    place: int
    piped: int
    function: str | None = None
    guarded: bool = False
    conditional: bool = False
    ignored: bool = False
    heredoc: str | None = None
    options: frozenset[str] = frozenset()


@frozen
class ShellText:
    """One shell text. `name` is the script's path, the package script's or the make target's name; `options` are those
    that are set at its beginning (`errexit`, `nounset`, `pipefail`, `errtrace`); `reads` the variables that it reads
    and does not set. `broken`: it does not parse as a whole. `forwards` are functions that do nothing but put words
    before their arguments, with these words; those of sourced scripts are among them. `sources` are the scripts that it
    sources, where they are in the tree."""

    file: str
    name: str
    kind: ShellKind
    line: int
    text: str
    calls: tuple[Call, ...]
    options: frozenset[str]
    reads: tuple[str, ...]
    shebang: str | None = None
    executable: bool = False
    broken: bool = False
    forwards: Mapping[str, tuple[Word, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
