"""A RUN instruction -> the dependency installs in it: which package manager, which files of the context it needs.

Pure: words in, records out. The table is `MANAGERS`; what each manager needs and where it keeps its cache comes from
the managers' own documentation, in the default configuration and for the root user.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from imgscan.dockerfile.manager import Manager
from imgscan.dockerfile.managers import MANAGERS
from imgscan.dockerfile.shellwords import SimpleCommand, simple_commands
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command

_MAX_NESTING: Final = 4
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", "su", "runuser"})
_NEVER_INSTALLS: Final = frozenset({"--version", "--help", "--dry-run"})
_VERSIONED: Final = lazy_re(r"(?<=.)@[^/@]*$")
_PYTHON: Final = lazy_re(r"python[\d.]*$|pypy[\d.]*$")
_NUMBERED: Final = lazy_re(r"(?<=[a-z])[\d.]+$")


class Ecosystem(StrEnum):
    """The kind of dependencies an install brings in; `SYSTEM` are the distribution's packages."""

    NODE = "node"
    PYTHON = "python"
    GO = "go"
    RUST = "rust"
    JVM = "jvm"
    PHP = "php"
    RUBY = "ruby"
    DOTNET = "dotnet"
    ELIXIR = "elixir"
    SWIFT = "swift"
    DART = "dart"
    DENO = "deno"
    HASKELL = "haskell"
    PERL = "perl"
    TOOL = "tool"
    SYSTEM = "system"


@frozen
class Install:
    """One install of dependencies.

    `manifests` and `lockfiles` are file names or glob patterns, relative to the directory the command runs in, of the
    context files that decide what is installed; both are empty for an install that names its packages itself (`apt-get
    install curl`, `npm install --global x`). `frozen`: it fails, or cannot happen, that the lockfile is out of date.
    `production`: development dependencies are left out. `cache_dir`: where the manager keeps downloads, as root.
    """

    ecosystem: Ecosystem
    manager: str
    command_text: str
    frozen: bool
    production: bool
    manifests: tuple[str, ...]
    lockfiles: tuple[str, ...]
    cache_dir: str | None


@frozen
class _Wrapper:
    """A program that runs another one: its options that take a value, and how many operands come before the program."""

    value_flags: frozenset[str] = frozenset()
    operands: int = 0


_WRAPPERS: Final[dict[str, _Wrapper]] = {
    "sudo": _Wrapper(value_flags=frozenset({"-u", "-g", "-h", "-p", "--user", "--group"})),
    "doas": _Wrapper(value_flags=frozenset({"-u"})),
    "env": _Wrapper(value_flags=frozenset({"-u", "-C", "--unset", "--chdir"})),
    "exec": _Wrapper(),
    "command": _Wrapper(),
    "builtin": _Wrapper(),
    "nohup": _Wrapper(),
    "time": _Wrapper(value_flags=frozenset({"-f", "-o"})),
    "eatmydata": _Wrapper(),
    "nice": _Wrapper(value_flags=frozenset({"-n"})),
    "ionice": _Wrapper(value_flags=frozenset({"-c", "-n"})),
    "stdbuf": _Wrapper(value_flags=frozenset({"-i", "-o", "-e"})),
    "timeout": _Wrapper(value_flags=frozenset({"-k", "-s", "--kill-after", "--signal"}), operands=1),
    "gosu": _Wrapper(operands=1),
    "su-exec": _Wrapper(operands=1),
    "chroot": _Wrapper(operands=1),
    "setpriv": _Wrapper(),
    "xargs": _Wrapper(value_flags=frozenset({"-n", "-I", "-P", "-L", "-d", "-a", "-s", "-r0"})),
    "corepack": _Wrapper(),
    "npx": _Wrapper(value_flags=frozenset({"-p", "--package"})),
    "bunx": _Wrapper(),
    "busybox": _Wrapper(),
    "xvfb-run": _Wrapper(),
    "retry": _Wrapper(),
    "dotenv": _Wrapper(value_flags=frozenset({"-f", "-e"})),
    "php": _Wrapper(value_flags=frozenset({"-d", "-c"})),
}
_OWN_VERBS: Final = {"corepack": frozenset({"prepare", "install", "use", "up"})}


def find_installs(command: Command) -> tuple[Install, ...]:
    """The installs of a RUN, in order; nothing for any other keyword. Shell form, JSON form and heredocs."""
    if command.instruction.keyword != "RUN":
        return ()
    if command.is_json:
        argv = SimpleCommand(words=tuple(command.words), assignments=(), text=" ".join(command.words))
        return tuple(_installs_of(argv, 0))
    scripts = [command.value]
    if command.heredocs and _feeds_shell(command.value):
        scripts += [heredoc.body for heredoc in command.heredocs if _is_shell_script(heredoc.body)]
    return tuple(install for script in scripts for install in installs_in(script))


def is_install(command: Command) -> Ecosystem | None:
    """The ecosystem of the first install of a RUN; None when there is none."""
    installs = find_installs(command)
    return installs[0].ecosystem if installs else None


def installs_in(script: str) -> tuple[Install, ...]:
    """The installs of a piece of shell text, in order."""
    return tuple(_installs_in(script, 0))


def _installs_in(script: str, nesting: int) -> Iterator[Install]:
    for command in simple_commands(script):
        yield from _installs_of(command, nesting)


def _installs_of(command: SimpleCommand, nesting: int) -> Iterator[Install]:
    words = _unwrap(command.words)
    if not words:
        return
    if _program(words[0]) in _SHELLS:
        script = _shell_argument(words)
        if script is not None and nesting < _MAX_NESTING:
            yield from _installs_in(script, nesting + 1)
        return
    manager, arguments = _manager_of(words)
    if manager is None or not _NEVER_INSTALLS.isdisjoint(arguments):
        return
    verb = _verb_of(manager, arguments)
    if verb is not None:
        yield _install(manager, verb, arguments, command)


def _feeds_shell(value: str) -> bool:
    """Whether the heredoc of `RUN <<EOF` is a script: no program before it, or a shell."""
    commands = simple_commands(value)
    words = _unwrap(commands[0].words) if commands else ()
    return not words or _program(words[0]) in _SHELLS


def _is_shell_script(body: str) -> bool:
    first = body.lstrip("\t ").split("\n", 1)[0]
    return not first.startswith("#!") or any(_program(word) in _SHELLS for word in first[2:].split())


def _program(word: str) -> str:
    """`/usr/bin/pip3.11` -> `pip`, `pnpm@9.1` -> `pnpm`, `./mvnw` -> `mvnw`."""
    name = _VERSIONED.sub("", posixpath.basename(word))
    return name if name.startswith("python") else _NUMBERED.sub("", name)


def _unwrap(words: Sequence[str]) -> tuple[str, ...]:
    """The command without the programs that only run it: `sudo -u x env A=b npx pnpm@9 i` -> `pnpm@9 i`."""
    rest = list(words)
    while rest:
        name = _program(rest[0])
        wrapper = _WRAPPERS.get(name)
        if wrapper is None or (len(rest) > 1 and rest[1] in _OWN_VERBS.get(name, ())):
            break
        del rest[0]
        _drop_options(rest, wrapper.value_flags)
        del rest[: wrapper.operands]
        while rest and re.match(r"[A-Za-z_]\w*=", rest[0]):
            del rest[0]
    return tuple(rest)


def _drop_options(rest: list[str], value_flags: frozenset[str]) -> None:
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag == "--":
            return
        if flag in value_flags and rest:
            del rest[0]


def _shell_argument(words: Sequence[str]) -> str | None:
    """The script of `sh -ec "…"`, `su user -c "…"`."""
    for at, word in enumerate(words[:-1]):
        if word == "--command" or (word.startswith("-") and not word.startswith("--") and word.endswith("c")):
            return words[at + 1]
    return None


def _manager_of(words: Sequence[str]) -> tuple[Manager | None, Sequence[str]]:
    """The manager a command calls, and its arguments; `python -m pip …` is pip."""
    name, arguments = _program(words[0]), words[1:]
    if _PYTHON.match(name) and "-m" in arguments:
        module = arguments.index("-m") + 1
        name, arguments = (
            (_program(arguments[module]), arguments[module + 1 :]) if module < len(arguments) else ("", ())
        )
    if name.endswith(".phar"):
        name = name.removesuffix(".phar")
    return _BY_PROGRAM.get(name), arguments


def _verb_of(manager: Manager, arguments: Sequence[str]) -> tuple[str, ...] | None:
    """The manager's subcommand that installs; `()` for one that installs when called without any."""
    operands = _operands(manager, arguments)
    if not operands and manager.bare:
        return () if {"-v", "-h"}.isdisjoint(arguments) else None
    if manager.goals:
        return next(((word,) for word in operands if any(goal in word for goal in manager.goals)), None)
    for verb in manager.verbs:
        if tuple(operands[: len(verb)]) == verb:
            return verb
    flags = [word for word in arguments if word.startswith("-")]
    return next(((flag,) for flag in flags if manager.install_flags and flag.startswith(manager.install_flags)), None)


def _operands(manager: Manager, arguments: Sequence[str]) -> list[str]:
    """The arguments that are neither options nor values of options."""
    operands: list[str] = []
    skip = False
    for word in arguments:
        if skip or word.startswith(("-", "+")):
            skip = not skip and word in manager.value_flags
            continue
        operands.append(word)
    return operands


def _install(manager: Manager, verb: tuple[str, ...], arguments: Sequence[str], command: SimpleCommand) -> Install:
    named = _operands(manager, arguments)[len(verb) :]
    manifests, lockfiles = _needed_files(manager, verb, named, arguments)
    environment = frozenset(command.assignments)
    return Install(
        ecosystem=Ecosystem(manager.ecosystem),
        manager=manager.name,
        command_text=command.text,
        frozen=bool(lockfiles)
        and (verb in manager.frozen_verbs or _has_flag(arguments, manager.frozen_flags))
        and not _has_flag(arguments, manager.unfrozen_flags),
        production=_has_flag(arguments, manager.production_flags) or not environment.isdisjoint(manager.production_env),
        manifests=manifests,
        lockfiles=lockfiles,
        cache_dir=_flag_value(arguments, manager.cache_flags) or manager.cache_dir,
    )


def _needed_files(
    manager: Manager, verb: tuple[str, ...], named: Sequence[str], arguments: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Manifests and lockfiles this very call reads."""
    if verb in manager.tool_verbs or _has_flag(arguments, manager.tool_flags):
        return (), ()
    given = tuple(_flag_values(arguments, manager.file_flags))
    if manager.name in ("pip", "uv") and verb != ("sync",) and verb != ("add",):
        projects = any(is_project_path(name) for name in (*named, *_flag_values(arguments, ("-e", "--editable"))))
        own = manager.manifests if projects else ()
        files = given + tuple(name for name in named if verb == ("pip", "sync") or name.endswith((".whl", ".tar.gz")))
        return files + own, given
    if given:
        return given, given
    if verb in manager.lock_only_verbs:
        return manager.settings + manager.lockfiles, manager.lockfiles
    return manager.manifests, manager.lockfiles


def is_project_path(name: str) -> bool:
    """Whether an operand of `pip install` is a folder of sources: `.`, `./api[dev]`, `/app`."""
    path = name.split("[", 1)[0]
    return path in (".", "..") or (
        path.startswith(("./", "../", "/", "file:")) and not path.endswith((".whl", ".tar.gz"))
    )


def _has_flag(arguments: Sequence[str], flags: tuple[str, ...]) -> bool:
    """Whether one of the flags is set; a flag of the table may be `--omit=dev`, which `--omit dev` sets too."""
    joined = [f"{a}={b}" for a, b in pairwise(arguments)]
    bare = {word.removesuffix("=true") for word in (*arguments, *joined)}
    return any(flag in bare for flag in flags)


def _flag_values(arguments: Sequence[str], flags: tuple[str, ...]) -> Iterator[str]:
    """Values of `--flag value`, `--flag=value`, and of one-letter flags also `-fvalue`."""
    for at, word in enumerate(arguments):
        if word in flags:
            yield from arguments[at + 1 : at + 2]
        for flag in flags:
            glued = flag if len(flag) == 2 else f"{flag}="
            if word.startswith(glued) and len(word) > len(glued):
                yield word[len(glued) :].removeprefix("=")


def _flag_value(arguments: Sequence[str], flags: tuple[str, ...]) -> str | None:
    return next(_flag_values(arguments, flags), None)


_BY_PROGRAM: Final = {program: manager for manager in MANAGERS for program in manager.programs}
