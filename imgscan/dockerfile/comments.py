"""The comments of a Dockerfile that accept findings. In: a parsed Dockerfile. Out: `Ignores`. Pure.

A comment has a line to itself: above an instruction, or between its continued lines. What stands behind an instruction
on its line, or in a heredoc, is a part of the instruction and no comment of the Dockerfile.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from imgscan.dockerfile.lexer import GO_SPACE
from imgscan.dockerfile.tree import Command, Dockerfile
from imgscan.ignores import Comment, Ignores, is_for_secrets, is_meant, join, mentions, read_ignores

_MOST_TOLD: Final = 100


def dockerfile_ignores(dockerfile: Dockerfile) -> Ignores:
    """The ignores of the file, and those that were written where they are no comments."""
    if not mentions(dockerfile.text):
        return Ignores()
    commands = [*dockerfile.global_args, *(command for stage in dockerfile.stages for command in stage.commands)]
    lines = dockerfile.text.removeprefix("\ufeff").split("\n")
    spans = [(command.instruction.line, command.instruction.end_line) for command in commands]
    found = read_ignores(dockerfile.file, "\n".join(lines), _comments(lines, commands), spans)
    return join((found, Ignores(faults=tuple(islice(_elsewhere(dockerfile.file, lines, commands), _MOST_TOLD)))))


def _comments(lines: list[str], commands: list[Command]) -> Iterator[Comment]:
    inside: dict[int, Command] = {}
    for command in commands:
        inside |= dict.fromkeys(range(command.instruction.line, command.instruction.end_line + 1), command)
    for number, line in enumerate(lines, start=1):
        bare = line.strip(GO_SPACE)
        if not bare.startswith("#"):
            continue
        around = inside.get(number)
        if around is None:
            yield Comment(text=bare[1:], line=number)
        elif number <= _last_own_line(around):
            yield Comment(text=bare[1:], line=number, first=around.instruction.line, last=around.instruction.end_line)


def _elsewhere(file: str, lines: list[str], commands: list[Command]) -> Iterator[str]:
    """Those on lines of instructions, behind something, and in the scripts of RUN's heredocs."""
    for command in commands:
        instruction = command.instruction
        own = _last_own_line(command)
        for number in range(instruction.line, (instruction.end_line if command.keyword == "RUN" else own) + 1):
            before, sign, text = lines[number - 1].strip(GO_SPACE).partition("#")
            if sign and (before or number > own) and is_meant(text) and not is_for_secrets(text):
                what = "what stands in a heredoc is" if number > own else "a # behind an instruction begins"
                yield f"{file}:{number}: {what} no comment of the Dockerfile; this one belongs on the line above"


def _last_own_line(command: Command) -> int:
    """The last line of an instruction before its heredocs' bodies."""
    bodies = sum(heredoc.body.count("\n") + 1 for heredoc in command.heredocs)
    return command.instruction.end_line - bodies
