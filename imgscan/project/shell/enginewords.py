"""The words of a call to docker, podman or compose -> what it does. In: words with unknown parts. Out: `EngineCall`.

Options that take a value are those of `docker --help` and `docker compose --help` (Engine 28, compose 2.40, and
docker-compose 1.29); short ones may be in one word (`-vt0`), as pflag reads them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import field
from typing import Final

from imgscan.frozen import frozen

_PROGRAMS: Final = frozenset({"docker", "podman", "nerdctl", "docker.exe"})
_COMPOSE_PROGRAMS: Final = frozenset({"docker-compose", "podman-compose", "docker-compose.exe"})
_ENGINE_VALUES: Final = frozenset(
    {
        "-c",
        "--context",
        "-H",
        "--host",
        "-l",
        "--log-level",
        "--config",
        "--tlscacert",
        "--tlscert",
        "--tlskey",
        "--namespace",
        "-n",
    }
)
_COMPOSE_VALUES: Final = frozenset(
    {
        "-f",
        "--file",
        "-p",
        "--project-name",
        "--profile",
        "--progress",
        "--env-file",
        "--project-directory",
        "--ansi",
        "--parallel",
        "--workdir",
        "-H",
        "--host",
        "--tlscacert",
        "--tlscert",
        "--tlskey",
        "-c",
        "--context",
        "--log-level",
    }
)
_VERB_VALUES: Final[dict[str, frozenset[str]]] = {
    "down": frozenset({"-t", "--timeout", "--rmi"}),
    "rm": frozenset(),
    "exec": frozenset({"-e", "--env", "-u", "--user", "-w", "--workdir", "--index", "--env-file", "--detach-keys"}),
    "run": frozenset(
        [
            "-e",
            "--env",
            "-u",
            "--user",
            "-w",
            "--workdir",
            "--name",
            "--entrypoint",
            "-v",
            "--volume",
            "-p",
            "--publish",
            "-l",
            "--label",
            "--network",
            "--env-file",
            "--mount",
            "--platform",
            "--pull",
            "--restart",
            "--add-host",
            "--cap-add",
            "--cap-drop",
            "--cpus",
            "-m",
            "--memory",
            "--device",
            "--dns",
            "-h",
            "--hostname",
            "--ip",
            "--link",
            "--log-driver",
            "--log-opt",
            "--pid",
            "--security-opt",
            "--shm-size",
            "--stop-timeout",
            "--tmpfs",
            "--ulimit",
            "--userns",
            "--volumes-from",
            "--net",
            "--cidfile",
            "--gpus",
            "--health-cmd",
            "--runtime",
            "--volume-driver",
        ]
    ),
    "create": frozenset({"-d", "--driver", "--label", "-o", "--opt", "--name"}),
    "prune": frozenset({"--filter"}),
    "up": frozenset(
        {"-t", "--timeout", "--scale", "--wait-timeout", "--exit-code-from", "--attach", "--no-attach", "--pull"}
    ),
}
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_GROUPS: Final = frozenset({"volume", "container", "system", "image", "network", "builder", "buildx", "context"})


@frozen(kw_only=False)
class EngineCall:
    """A call. `compose`: of compose; `verb`: `down`, `volume rm`, `system prune`, `exec`; `options`: by name, long ones
    with `--`, with their value if they take one (`given`: all of them, one that comes twice twice); `arguments` are the
    rest. `globals` are options before the verb."""

    program: str
    compose: bool
    verb: str
    options: dict[str, str | None] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    globals: tuple[tuple[str, str | None], ...] = ()
    given: tuple[tuple[str, str | None], ...] = ()

    def has(self, *names: str) -> bool:
        """Whether one of the switches is on: given, and not with `=false`."""
        return any(name in self.options and self.options[name] not in _FALSE for name in names)


def engine_call(words: Sequence[str]) -> EngineCall | None:
    """The call that these words are, None for another program. Unknown words are texts with NUL in them."""
    if not words:
        return None
    program = posixpath.basename(words[0])
    at = 1
    given: list[tuple[str, str | None]] = []
    compose = program in _COMPOSE_PROGRAMS
    if program in _PROGRAMS:
        at, given = _options(words, at, _ENGINE_VALUES)
        if at < len(words) and words[at] in ("compose", "stack") and program != "":
            compose = words[at] == "compose"
            at += 1 if compose else 0
        at, more = _options(words, at, _COMPOSE_VALUES) if compose else (at, [])
        given += more
    elif compose:
        at, given = _options(words, at, _COMPOSE_VALUES)
    else:
        return None
    verb = words[at] if at < len(words) else ""
    at += 1
    if not compose and verb in _GROUPS and at < len(words):
        verb = f"{verb} {words[at]}" if verb != "container" else words[at]
        at += 1
    after, arguments = _verb_options(verb, words[at:])
    return EngineCall(program, compose, verb, dict(after), arguments, tuple(given), tuple(after))


def _options(words: Sequence[str], at: int, values: frozenset[str]) -> tuple[int, list[tuple[str, str | None]]]:
    """Options before the verb, and where the verb is."""
    given: list[tuple[str, str | None]] = []
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        name, equals, value = words[at].partition("=")
        if equals:
            given.append((name, value))
        elif name in values:
            given.append((name, words[at + 1] if at + 1 < len(words) else None))
            at += 1
        elif len(name) > 2 and name[:2] in values and not name.startswith("--"):
            given.append((name[:2], name[2:]))
        else:
            given.append((name, None))
        at += 1
    return at, given


def _verb_options(verb: str, words: Sequence[str]) -> tuple[list[tuple[str, str | None]], tuple[str, ...]]:
    """Options after the verb. `exec` and `run` end at their first argument: the rest is the command inside."""
    short = verb.rpartition(" ")[2]
    values = _VERB_VALUES.get(short, frozenset())
    options: list[tuple[str, str | None]] = []
    arguments: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            arguments += words[at + 1 :]
            break
        if not word.startswith("-") or word == "-":
            if short in ("exec", "run"):
                arguments += words[at:]
                break
            arguments.append(word)
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            if not equals and name in values:
                options.append((name, words[at + 1] if at + 1 < len(words) else None))
                at += 1
            else:
                options.append((name, value if equals else None))
        else:
            at += _cluster(word, words[at + 1] if at + 1 < len(words) else None, values, options)
        at += 1
    return options, tuple(arguments)


def _cluster(word: str, following: str | None, values: frozenset[str], options: list[tuple[str, str | None]]) -> int:
    """Short options in one word; 1 if the last takes the following word."""
    for place in range(1, len(word)):
        name = f"-{word[place]}"
        rest = word[place + 1 :]
        if name in values:
            options.append((name, rest.removeprefix("=") if rest else following))
            return 0 if rest else 1
        if rest.startswith("="):
            options.append((name, rest[1:]))
            return 0
        options.append((name, None))
    return 0
