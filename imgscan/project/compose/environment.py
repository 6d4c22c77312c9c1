"""What compose replaces variables with: the files of variables that it reads by itself or is told to. Pure.

This machine's environment is never asked. Where a project keeps only an example of its `.env`, the example stands in
for it: that is what the user is to copy.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from imgscan.frozen import frozen
from imgscan.project.compose.dotenv import read_dotenv
from imgscan.project.compose.places import inside
from imgscan.project.compose.records import Mark, Problem
from imgscan.project.tree import ProjectTree

EXAMPLES: Final = (
    ".env.example",
    ".env.sample",
    ".env.dist",
    ".env.template",
    "env.example",
    "example.env",
    ".env-example",
)
"""Names of a file that is there to be copied to `.env`, the usual one first."""


@frozen
class Environment:
    """Values by name with the file that gives them; `stands_in`: they come from an example."""

    values: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    stands_in: bool = False
    problems: tuple[Problem, ...] = ()

    def over(self, files: Environment) -> Environment:
        """This environment with what files add to it, as an included project has it."""
        return Environment(
            values={**files.values, **self.values},
            sources={**files.sources, **self.sources},
            files=(*self.files, *files.files),
            stands_in=self.stands_in,
        )


def project_environment(tree: ProjectTree, directory: str, env_files: Sequence[str]) -> Environment:
    """What a project in this directory has. `env_files` (of the tree) are those that compose is told to read."""
    if env_files:
        return read_environment(tree, env_files)
    own = posixpath.join(directory, ".env")
    if own in tree.files:
        return read_environment(tree, (own,))
    if own in tree.links:
        return Environment()
    example = example_for(tree, directory)
    return read_environment(tree, (example,), stands_in=True) if example else Environment()


def example_for(tree: ProjectTree, directory: str) -> str | None:
    """The example of the `.env` of a directory: in it, or in the nearest folder above."""
    folder = directory
    while True:
        for name in EXAMPLES:
            path = posixpath.join(folder, name)
            if path in tree.files:
                return path
        if not folder:
            return None
        folder = folder.rpartition("/")[0]


def read_environment(
    tree: ProjectTree, paths: Sequence[str], *, stands_in: bool = False, known: Mapping[str, str] | None = None
) -> Environment:
    """The variables of files of the tree, later ones over earlier ones; a file that cannot be read is a problem."""
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    read: list[str] = []
    for path in paths:
        text = tree.text(path)
        at = Mark(file=path, line=1, column=1, start=0, end=0)
        if text is None:
            problems.append(Problem(kind="reference", message=f"couldn't find env file: {path}", at=at))
            continue
        read.append(path)
        parsed = read_dotenv(text, path, known, values)
        for entry in parsed.entries:
            if entry.name in values or entry.name not in (known or {}):
                values[entry.name] = entry.value
                sources[entry.name] = path
        if parsed.fault:
            line, message = parsed.fault
            at = Mark(file=path, line=line, column=1, start=0, end=0)
            problems.append(Problem(kind="env-file", message=f"failed to read {path}: {message}", at=at))
    return Environment(values=values, sources=sources, files=tuple(read), stands_in=stands_in, problems=tuple(problems))


def paths_from(tree: ProjectTree, base: str, written: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files that are named from a folder: those of the tree, and those that are elsewhere."""
    found: list[str] = []
    lost: list[str] = []
    for name in written:
        path = inside(tree, base, name)
        if path is None:
            lost.append(name)
        else:
            found.append(path)
    return found, lost
