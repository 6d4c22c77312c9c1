"""The text of a Dockerfile -> `Dockerfile`: every instruction with its place, stages, heredocs, flags.

Accepts and refuses what BuildKit's own parser does. The `dockerfile-parse` package is not used for it: it reads heredoc
bodies as instructions, keeps a byte order mark as part of the first keyword and ends an instruction at a blank
continuation line (its issue 145); `parents.py` asks it for what it gets right.
"""

from __future__ import annotations

from imgscan.dockerfile.expand import expand
from imgscan.dockerfile.instructions import Place, make_command, mount_options
from imgscan.dockerfile.stages import base_image, find_stage, needed_stages, stage_scope, target_stage
from imgscan.dockerfile.syntax import read_nodes, refused
from imgscan.dockerfile.tree import Command, Dockerfile, Heredoc, Stage

__all__ = [
    "Command",
    "Dockerfile",
    "Heredoc",
    "Stage",
    "base_image",
    "expand",
    "find_stage",
    "mount_options",
    "needed_stages",
    "parse",
    "stage_scope",
    "target_stage",
]


def parse(text: str | bytes, file: str = "Dockerfile") -> Dockerfile:
    """The Dockerfile as records; bytes are taken as UTF-8, what is not as surrogates.

    Raises InputError naming `file` and the line for everything BuildKit refuses before it runs a step. What only shows
    with values (a FROM that expands to nothing) is `base_image`'s.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    nodes, escape, directives = read_nodes(text, file)
    global_args: list[Command] = []
    stages: list[list[Command]] = []
    for node in nodes:
        starts_stage = node.keyword.upper() == "FROM"
        stage = len(stages) - (not starts_stage)
        ordinal = 1 if starts_stage else len(stages[-1] if stages else global_args) + 1
        command = make_command(node, Place(stage=stage, ordinal=ordinal, file=file, escape=escape))
        if starts_stage:
            stages.append([command])
        elif stages:
            stages[-1].append(command)
        elif command.keyword == "ARG":
            global_args.append(command)
        else:
            raise refused(file, node.line, f"no build stage in current context: {command.keyword} stands before FROM")
    if not stages:
        raise refused(file, nodes[-1].end_line, "dockerfile contains no stages to build: there is no FROM")
    return Dockerfile(
        file=file,
        text=text,
        escape=escape,
        directives=directives,
        global_args=tuple(global_args),
        stages=tuple(_stage(index, commands) for index, commands in enumerate(stages)),
    )


def _stage(index: int, commands: list[Command]) -> Stage:
    words = commands[0].words
    name = words[2].lower() if len(words) == 3 else None
    return Stage(index=index, name=name, base=words[0], platform=commands[0].flag("platform"), commands=tuple(commands))
