"""The process that a service starts: compose's entrypoint and command over the image's, scripts of package.json opened.

In: a service with its image. Out: `Process`es, one for each simple command that runs. Pure. What a base image brings
along is unknown; then there are none.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.dockerfile.parse import Command
from imgscan.dockerfile.shellwords import simple_commands
from imgscan.frozen import frozen
from imgscan.model import SourceLine
from imgscan.project.compose.records import Service
from imgscan.project.serviceimages import ServiceImage
from imgscan.project.setup import Setup
from imgscan.project.sources.scope import folder_of

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_MANAGERS: Final = frozenset({"npm", "pnpm", "yarn", "bun"})
_DEEPEST: Final = 5
_MOST: Final = 60
_LONGEST: Final = 20_000
_NO_SCRIPT: Final = frozenset({"install", "ci", "add", "exec", "dlx", "i", "set", "config", "audit", "why", "x"})


@frozen
class Process:
    """A command that runs in a container, as words. `at` is the line of the text that it stands in."""

    words: tuple[str, ...]
    at: SourceLine


@frozen
class _Start:
    words: tuple[str, ...]
    script: str | None
    at: SourceLine


def processes_of(service: Service, image: ServiceImage, setup: Setup) -> tuple[Process, ...]:
    """What the container runs, as far as the files say it."""
    start = _start(service, image)
    if start is None:
        return ()
    found: list[Process] = []
    for process in _opened(start):
        found += _expanded(process, service, setup, _DEEPEST)
    return tuple(found[:_MOST])


def starts_by_shell(service: Service, image: ServiceImage) -> bool | None:
    """Whether the first process is a shell that has the program as its child; None where the files do not say."""
    start = _start(service, image)
    if start is None:
        return None
    script = start.script
    if script is None and len(start.words) >= 3 and posixpath.basename(start.words[0]) in _SHELLS:
        script = start.words[2] if start.words[1].lstrip("-").endswith("c") else None
    if script is None:
        return False
    commands = simple_commands(script[:_LONGEST])
    # Shells replace themselves by the last command where it is the only one; all of them do so for exec.
    return bool(commands) and len(commands) > 1 and commands[-1].words[:1] != ("exec",)


def _start(service: Service, image: ServiceImage) -> _Start | None:
    entry, command = service.entrypoint, service.command
    if entry is not None and entry.words:
        at = SourceLine(file=entry.at.file, line=entry.at.line)
        return _Start(words=(*entry.words, *(command.words if command else ())), script=None, at=at)
    built_entry, built_command = image.last("ENTRYPOINT"), image.last("CMD")
    if built_entry is not None and not built_entry.is_json:
        return _Start(words=(), script=built_entry.value, at=_line(built_entry))
    prefix = built_entry.words if built_entry is not None else ()
    if command is not None and command.words:
        at = SourceLine(file=command.at.file, line=command.at.line)
        return _Start(words=(*prefix, *command.words), script=None, at=at)
    if built_command is not None:
        if not built_command.is_json:
            return _Start(words=(), script=built_command.value, at=_line(built_command))
        return _Start(words=(*prefix, *built_command.words), script=None, at=_line(built_command))
    return _Start(words=prefix, script=None, at=_line(built_entry)) if built_entry is not None and prefix else None


def _line(command: Command) -> SourceLine:
    return SourceLine(file=command.instruction.file, line=command.instruction.line)


def _opened(start: _Start) -> Iterator[Process]:
    """The commands inside of shell texts."""
    script = start.script
    for index in range(len(start.words) - 2):
        shell = posixpath.basename(start.words[index]) in _SHELLS
        if script is None and shell and re.fullmatch(r"-\w*c\w*", start.words[index + 1]):
            script = start.words[index + 2]
    if script is None:
        yield Process(words=start.words, at=start.at)
        return
    for simple in simple_commands(script[:_LONGEST]):
        if simple.words:
            yield Process(words=(*simple.assignments, *simple.words), at=start.at)


def _expanded(process: Process, service: Service, setup: Setup, depth: int) -> Iterator[Process]:
    """A package script in place of the call of it; the call itself where there is none."""
    name, rest = script_name(process.words)
    found = _script(service, setup, name) if name and depth else None
    if found is None:
        yield process
        return
    text, at = found
    commands = [simple for simple in simple_commands(text[:_LONGEST]) if simple.words]
    for index, simple in enumerate(commands):
        more = rest if index == len(commands) - 1 else ()
        words = (*simple.assignments, *simple.words, *more)
        yield from _expanded(Process(words=words, at=at), service, setup, depth - 1)


def script_name(words: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The package script that a call of npm, pnpm, yarn or bun runs, and the arguments it is given."""
    at = next((i for i, word in enumerate(words[:4]) if posixpath.basename(word) in _MANAGERS), None)
    if at is None:
        return None, ()
    rest = list(words[at + 1 :])
    while rest and rest[0].startswith("-"):
        takes_value = rest[0] in ("--filter", "-F", "--prefix", "--cwd", "-C", "--dir", "-w", "--workspace")
        del rest[: 2 if takes_value else 1]
    if rest and rest[0] in ("run", "run-script"):
        del rest[0]
        while rest and rest[0].startswith("-"):
            del rest[0]
    elif rest and rest[0] in _NO_SCRIPT:
        return None, ()
    if not rest:
        return None, ()
    arguments = tuple(word for word in rest[1:] if word != "--")
    return rest[0], arguments


def _script(service: Service, setup: Setup, name: str) -> tuple[str, SourceLine] | None:
    folder = folder_of(service, setup)
    path = posixpath.join(folder, "package.json") if folder else "package.json"
    text = setup.tree.text(path) if folder is not None else None
    if not text:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    scripts = data.get("scripts") if isinstance(data, dict) else None
    script = scripts.get(name) if isinstance(scripts, dict) else None
    if not isinstance(script, str):
        return None
    where = re.search(rf'"{re.escape(name)}"\s*:\s*"', text)
    line = text.count("\n", 0, where.start()) + 1 if where else 1
    return script, SourceLine(file=path, line=line)
