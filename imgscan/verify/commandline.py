"""What a call of an engine's command line asks for: flags as the programs themselves read them. Pure.

In: the words of a call. Out: `EngineCall`. The grammar is pflag's, which docker, compose and podman use:
`--name=value`, `--name value`, `-vt0` (a cluster, of which the first that takes a value takes the rest).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgscan.frozen import frozen

ENGINES: Final = ("docker", "docker-compose", "podman", "podman-compose", "nerdctl")
_DOCKER_VALUES: Final = frozenset({"-H", "--host", "-c", "--context", "--config", "-l", "--log-level"}) | frozenset(
    {"--tlscacert", "--tlscert", "--tlskey", "--namespace", "-n", "--address", "-a"}
)
_COMPOSE_VALUES: Final = frozenset(
    {"-f", "--file", "-p", "--project-name", "--profile", "--env-file", "--project-directory", "--workdir"}
) | frozenset({"--parallel", "--progress", "--ansi", "-H", "--host", "-c", "--context"})
_SUBCOMMAND_VALUES: Final = {
    "down": frozenset({"-t", "--timeout", "--rmi"}),
    "exec": frozenset({"-e", "--env", "--index", "-u", "--user", "-w", "--workdir", "--env-file", "--detach-keys"}),
    "cp": frozenset({"--index"}),
    "ps": frozenset({"-f", "--filter", "--format", "--status", "-n", "--last"}),
}
_NO_INTERSPERSED: Final = frozenset({"exec", "run"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@frozen
class EngineCall:
    """One call: `compose` or not, its subcommand (`down`, `volume rm`; empty: none), flags in order (None: no value),
    operands. `broken`: the program would refuse the flags."""

    compose: bool
    subcommand: str
    flags: tuple[tuple[str, str | None], ...]
    operands: tuple[str, ...]
    broken: bool = False

    def has(self, *names: str) -> bool:
        """Whether a switch is on; the last word counts."""
        given = [value for name, value in self.flags if name in names]
        return bool(given) and given[-1] not in _FALSE

    def value(self, *names: str) -> str | None:
        """The last value of a flag."""
        return next((value for name, value in reversed(self.flags) if name in names), None)


def read_call(program: str, words: Sequence[str]) -> EngineCall:
    """A call of `program` (its name without folder) with these words."""
    rest = list(words)
    broken = False
    compose = program in ("docker-compose", "podman-compose")
    if not compose:
        _, rest, broken = _flags(rest, _DOCKER_VALUES, interspersed=False)
        if rest[:1] == ["compose"]:
            compose, rest = True, rest[1:]
    if compose:
        _, rest, refused = _flags(rest, _COMPOSE_VALUES, interspersed=False)
        broken = broken or refused
    subcommand = rest.pop(0) if rest else ""
    if not compose and subcommand in ("volume", "system", "container", "compose", "image", "network"):
        subcommand = f"{subcommand} {rest.pop(0)}" if rest else subcommand
    name = subcommand.removeprefix("container ")
    flags, operands, refused = _flags(
        rest, _SUBCOMMAND_VALUES.get(name, frozenset()), interspersed=name not in _NO_INTERSPERSED
    )
    return EngineCall(
        compose=compose,
        subcommand=name,
        flags=tuple(flags),
        operands=tuple(operands),
        broken=broken or refused,
    )


def destroys_volumes(call: EngineCall) -> bool:
    """Whether the call deletes named volumes if the engine gets it."""
    if call.broken:
        return False
    if call.compose:
        return call.subcommand == "down" and call.has("-v", "--volumes")
    if call.subcommand in ("volume rm", "volume remove", "volume prune"):
        return True
    return call.subcommand == "system prune" and call.has("--volumes")


def _flags(
    words: list[str], values: frozenset[str], *, interspersed: bool
) -> tuple[list[tuple[str, str | None]], list[str], bool]:
    """Flags, what is left, and whether a value is missing."""
    flags: list[tuple[str, str | None]] = []
    operands: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return flags, operands + words[at:], False
        if len(word) < 2 or not word.startswith("-"):
            if not interspersed:
                return flags, words[at - 1 :], False
            operands.append(word)
            continue
        found, wants = _long(word, values) if word.startswith("--") else _cluster(word, values)
        flags += found
        if wants:
            if at >= len(words):
                return flags, operands, True
            flags[-1] = (flags[-1][0], words[at])
            at += 1
    return flags, operands, False


def _long(word: str, values: frozenset[str]) -> tuple[list[tuple[str, str | None]], bool]:
    name, glued, value = word.partition("=")
    return [(name, value if glued else None)], not glued and name in values


def _cluster(word: str, values: frozenset[str]) -> tuple[list[tuple[str, str | None]], bool]:
    flags: list[tuple[str, str | None]] = []
    for place in range(1, len(word)):
        name, rest = f"-{word[place]}", word[place + 1 :]
        if rest.startswith("="):
            return [*flags, (name, rest[1:])], False
        if name in values:
            return [*flags, (name, rest or None)], not rest
        flags.append((name, None))
    return flags, False
