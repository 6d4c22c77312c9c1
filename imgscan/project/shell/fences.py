"""Code in Markdown -> shell snippets: fences of a shell's language, sessions with a `$ ` prompt, indented blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.shell.records import ShellKind
from imgscan.project.shell.text import Snippet

_FENCE: Final = lazy_re(r"^(?P<indent>[ >]{0,12})(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]{0,200})$")
_LANGUAGES: Final = frozenset(
    {"sh", "bash", "shell", "zsh", "console", "shell-session", "shellsession", "terminal", ""}
)
_PROMPT: Final = lazy_re(r"^\s*(?:[\w.@~:/-]{0,40}\s?)?[$#%❯>] ")
_COMMAND: Final = lazy_re(
    r"^\s*(?:\$ |sudo |docker |docker-compose |podman |make |npm |pnpm |yarn |bash |sh |rm |\./|scripts/|cp |export )"
)
_MOST: Final = 500


def markdown_snippets(file: str, text: str) -> Iterator[Snippet]:
    """The snippets, each with the line it begins at. A block without a language counts when it looks like commands."""
    found = 0
    for line, language, body in _blocks(text.split("\n")):
        if found >= _MOST:
            return
        if language not in _LANGUAGES:
            continue
        commands = _commands(body, certain=language not in ("", "console", "shell-session", "shellsession", "terminal"))
        if any(commands):
            found += 1
            yield Snippet(file=file, name=file, kind=ShellKind.README, line=line, text="\n".join(commands))


def _blocks(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Line of the first line of code, language, lines; every block of the text."""
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at].rstrip("\r"))
        if opened is not None:
            start, fence = at + 1, opened["fence"]
            at = start
            while at < len(lines) and not _closes(lines[at], fence):
                at += 1
            indent = len(opened["indent"])
            words = opened["info"].strip().split()
            language = words[0].strip("{}.").lower() if words else ""
            yield start + 1, language, [_without(line, indent) for line in lines[start:at]]
            at += 1
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            start = at
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            yield start + 1, "", [line[4:] for line in lines[start:at]]
        else:
            at += 1


def _without(line: str, indent: int) -> str:
    head = line[:indent]
    return line[len(head) - len(head.lstrip(" >")) if head.strip(" >") else len(head) :]


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip(" \t\r>")
    return len(stripped) >= len(fence) and set(stripped) == {fence[0]}


def _commands(body: list[str], *, certain: bool) -> list[str]:
    """The lines with prompts removed and output blanked, so that lines keep their number; nothing when it is no shell
    at all."""
    lines = [line.rstrip("\r") for line in body]
    if any(_PROMPT.match(line) and "$ " in line for line in lines):
        return _session(lines)
    if certain or any(_COMMAND.match(line) for line in lines):
        return lines
    return []


def _session(lines: list[str]) -> list[str]:
    out: list[str] = []
    continued = False
    for line in lines:
        prompt = re.match(r"^\s*[^$\n]{0,60}?\$ ", line)
        if prompt is not None and not continued:
            out.append(line[prompt.end() :])
            continued = line.endswith("\\")
        elif continued:
            out.append(re.sub(r"^> ", "", line))
            continued = line.endswith("\\")
        else:
            out.append("")
    return out
