"""What a script's own text says of its variables: constants, and which are read without being set.

In: assignments in the order of the text. Out: words with what is known of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.shell.expand import expand, expand_one
from imgscan.project.shell.glob import FROM_ARGUMENTS, GUESSED, UNKNOWN, head, is_known
from imgscan.project.shell.records import Word

_READ: Final = lazy_re(r"\$(?:\{[#!]?)?([A-Za-z_]\w*)", re.A)
_ENGINES: Final = ("docker", "docker-compose", "podman", "podman-compose", "sudo", "nerdctl")
_MOST_READS: Final = 500
_OF_THE_SHELL: Final = frozenset(
    [
        "BASH",
        "BASHPID",
        "BASH_SOURCE",
        "BASH_COMMAND",
        "BASH_LINENO",
        "BASH_REMATCH",
        "BASH_VERSION",
        "BASH_VERSINFO",
        "COMP_WORDS",
        "COMP_CWORD",
        "DIRSTACK",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "HOSTNAME",
        "HOSTTYPE",
        "IFS",
        "LINENO",
        "MACHTYPE",
        "MAPFILE",
        "OLDPWD",
        "OPTARG",
        "OPTIND",
        "OSTYPE",
        "PIPESTATUS",
        "PPID",
        "PWD",
        "RANDOM",
        "REPLY",
        "SECONDS",
        "SHELL",
        "SHELLOPTS",
        "SHLVL",
        "UID",
        "MAKE_AUTOMATIC",
        "MAKE_COMPUTED",
        "GITHUB_EXPRESSION",
    ]
)


@dataclass(slots=True)
class Constants:
    """Variables whose value the text tells. `None` in `known`: set, but not to a constant. `positional`: the
    parameters, where they are known."""

    known: dict[str, list[str] | None] = field(default_factory=dict)
    reads: dict[str, None] = field(default_factory=dict)

    def values(self, name: str) -> list[str] | None:
        """The constant; an unknown part where it is set to something else; None when the script does not set it."""
        if name not in self.known:
            return None
        return self.known[name] or ([] if self.known[name] is not None else [UNKNOWN])

    def unset(self, name: str) -> str:
        """Another program may have set it."""
        return UNKNOWN

    def required(self, name: str) -> str:
        """Another program has set it, or the script ends there."""
        return UNKNOWN

    def substitution(self, text: str) -> str:
        """Commands are not run."""
        return UNKNOWN

    def guess(self, text: str) -> str:
        """The default, marked: another program may have set the variable."""
        return text + GUESSED

    def assign(self, name: str, value: str) -> None:
        """`${name:=value}`: its default is what an expansion gives."""

    def set(
        self, name: str, values: list[str] | None, *, append: bool = False, array: bool = False, maybe: bool
    ) -> None:
        """An assignment; `maybe`: it stands in a branch that may not run, and then two values make it unknown."""
        before = self.known.get(name)
        if append and values is not None:
            if array:
                self.known[name] = [*(before or []), *values]
            else:
                self.known[name] = ["".join(before or []) + "".join(values)]
        elif maybe and name in self.known and before != values and not (_engine(before) and _engine(values)):
            self.known[name] = None
        else:
            self.known[name] = values

    def note_reads(self, raw: str) -> None:
        """Remember the variables that a word reads and nobody has set."""
        if "$" not in raw or raw.startswith("'"):
            return
        for found in _READ.finditer(raw):
            if found[1] not in self.known and found[1] not in _OF_THE_SHELL and len(self.reads) < _MOST_READS:
                self.reads[found[1]] = None


def _engine(values: list[str] | None) -> bool:
    return bool(values) and values is not None and values[0].strip(GUESSED).split(" ")[0] in _ENGINES


def words(raw: str, constants: Constants) -> tuple[Word, ...]:
    """The words that one written word becomes."""
    constants.note_reads(raw)
    return tuple(_word(raw, shape) for shape in expand(raw, constants))


def one_word(raw: str, constants: Constants) -> Word:
    """A word where the shell makes one of it: a redirect's target."""
    constants.note_reads(raw)
    return _word(raw, expand_one(raw, constants))


def _word(raw: str, shape: str) -> Word:
    certain = GUESSED not in shape
    shape = shape.replace(FROM_ARGUMENTS, UNKNOWN).replace(GUESSED, "")
    text = shape if certain and is_known(shape) else None
    return Word(raw=raw, text=text, literal_head=head(shape), shape=shape)
