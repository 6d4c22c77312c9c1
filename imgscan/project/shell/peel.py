"""A call -> the programs that run because of it, the innermost last: `sudo docker compose exec -T db sh -c 'pg_dump'`.

In: words and the script's own forwarding functions. Out: layers. What only a run would tell stays unknown.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from imgscan.frozen import frozen
from imgscan.project.shell.enginewords import EngineCall, engine_call
from imgscan.project.shell.options import option_changes
from imgscan.project.shell.records import Call, ShellKind, Word
from imgscan.project.shell.text import Snippet, read_text

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
_PREFIXES: Final[dict[str, frozenset[str]]] = {
    "sudo": frozenset({"-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U", "--user", "--group"}),
    "doas": frozenset({"-u", "-C"}),
    "exec": frozenset({"-a"}),
    "command": frozenset(),
    "env": frozenset({"-u", "-C", "-S", "--unset", "--chdir"}),
    "nice": frozenset({"-n"}),
    "ionice": frozenset({"-c", "-n", "-p"}),
    "time": frozenset({"-f", "-o"}),
    "nohup": frozenset(),
    "timeout": frozenset({"-s", "-k", "--signal", "--kill-after"}),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "flock": frozenset({"-w", "-E"}),
    "xargs": frozenset({"-n", "-P", "-I", "-L", "-d", "-a", "-s"}),
    "gosu": frozenset(),
    "su-exec": frozenset(),
    "eval": frozenset(),
    "builtin": frozenset(),
    "dotenv": frozenset({"-e", "-c"}),
    "winpty": frozenset(),
    "cross-env": frozenset(),
}
_FIRST_IS_OWN: Final = frozenset({"timeout", "flock", "gosu", "su-exec"})
_DEEPEST: Final = 8
_MOST_INNER: Final = 200


@frozen(kw_only=False)
class Program:
    """A program that a call runs: its words (unknown parts are NULs), the containers on the way to it, outermost
    first, its call in the shell that it is given to (`siblings` are all calls there), and whether it runs on another
    machine."""

    words: tuple[str, ...]
    through: tuple[EngineCall, ...] = ()
    inner: Call | None = None
    remote: bool = False
    siblings: tuple[Call, ...] = ()

    @property
    def name(self) -> str:
        """The program without its folder."""
        return posixpath.basename(self.words[0]) if self.words else ""


def programs(call: Call, forwards: Mapping[str, tuple[Word, ...]] | None = None) -> tuple[Program, ...]:
    """Everything that the call runs: itself without prefixes, and what it hands on to containers and shells."""
    peeler = _Peeler(forwards=forwards or {})
    peeler.peel([word.shape for word in call.words], (), None, 0, False)
    return tuple(peeler.found)


@dataclass(slots=True)
class _Peeler:
    forwards: Mapping[str, tuple[Word, ...]]
    found: list[Program] = field(default_factory=list)
    siblings: tuple[Call, ...] = ()

    def peel(
        self, words: list[str], through: tuple[EngineCall, ...], inner: Call | None, depth: int, remote: bool
    ) -> None:
        words = strip_prefixes(words)
        if not words or depth > _DEEPEST or len(self.found) > _MOST_INNER:
            return
        if words[0] in self.forwards and not through:
            self.peel([w.shape for w in self.forwards[words[0]]] + words[1:], through, inner, depth + 1, remote)
            return
        name = posixpath.basename(words[0])
        script = script_word(words) if name in _SHELLS else None
        if script is not None:
            on, _ = option_changes(tuple(words[1:script]))
            self._text(words[script], through, depth, remote, frozenset(on))
            return
        if name == "ssh":
            self._ssh(words, through, depth)
            return
        self.found.append(Program(tuple(words), through, inner, remote, self.siblings))
        engine = engine_call(words)
        if engine is not None and engine.verb in ("exec", "run") and len(engine.arguments) > 1:
            command = list(engine.arguments[1:])
            entrypoint = engine.options.get("--entrypoint")
            self.peel([entrypoint, *command] if entrypoint else command, (*through, engine), inner, depth + 1, remote)

    def _text(
        self,
        text: str,
        through: tuple[EngineCall, ...],
        depth: int,
        remote: bool,
        options: frozenset[str] = frozenset(),
    ) -> None:
        before, self.siblings = self.siblings, _inner_calls(text.replace("\0", "${UNKNOWN}"), options)
        for inner in self.siblings:
            self.peel([word.shape for word in inner.words], through, inner, depth + 1, remote)
        self.siblings = before

    def _ssh(self, words: list[str], through: tuple[EngineCall, ...], depth: int) -> None:
        rest = _after_options(words[1:], frozenset(f"-{letter}" for letter in "bcDEeFIiJLlmOopQRSWw"))
        if len(rest) > 1:
            self._text(" ".join(rest[1:]), through, depth, True)


@lru_cache(maxsize=4_096)
def _inner_calls(text: str, options: frozenset[str]) -> tuple[Call, ...]:
    """The calls of a text that a shell inside is given. Every detector asks for the same ones."""
    snippet = Snippet(file="", name="", kind=ShellKind.SCRIPT, line=1, text=text, options=options)
    return read_text(snippet).calls[:_MOST_INNER]


def script_word(words: Sequence[str]) -> int | None:
    """Where the script of `sh -c SCRIPT` is among the words of a shell's call: behind its options, `-o` with a name."""
    at, found = 1, False
    while at < len(words) and words[at][:1] in ("-", "+") and len(words[at]) > 1:
        short = not words[at].startswith("--")
        found = found or (short and words[at][0] == "-" and "c" in words[at])
        at += 2 if short and "o" in words[at] else 1
    return at if found and at < len(words) else None


def strip_prefixes(words: Sequence[str]) -> list[str]:
    """The words without `sudo`, `env X=1`, `exec`, `timeout 5` … before the program."""
    rest = list(words)
    for _ in range(_DEEPEST):
        name = posixpath.basename(rest[0]) if rest else ""
        if name not in _PREFIXES:
            break
        rest = _after_options(rest[1:], _PREFIXES[name])
        rest = rest[1:] if name in _FIRST_IS_OWN else rest
        while rest and "=" in rest[0] and not rest[0].startswith("-") and name in ("env", "sudo", "cross-env"):
            rest = rest[1:]
    return rest


def _after_options(words: list[str], values: frozenset[str]) -> list[str]:
    at = 0
    while at < len(words) and words[at].startswith("-") and len(words[at]) > 1:
        if words[at] == "--":
            return words[at + 1 :]
        at += 2 if words[at] in values else 1
    return words[at:]
