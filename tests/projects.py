"""Small projects on disk for tests: files from a table, read back the way imgscan reads a user's project."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from imgscan.dockerfile.context import BuildContext, read_context
from imgscan.dockerfile.parse import Dockerfile, parse


class Project(NamedTuple):
    """A parsed Dockerfile and the context it is built with."""

    dockerfile: Dockerfile
    context: BuildContext


def make_project(root: Path, dockerfile: str, files: Mapping[str, str | int], path: str = "Dockerfile") -> Project:
    """Write the files (a number is a size in bytes) and the Dockerfile at `path`, and read the project."""
    for name, content in {**files, path: textwrap.dedent(dockerfile).lstrip("\n")}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            with file.open("wb") as stream:
                stream.truncate(content)
        else:
            file.write_text(content, encoding="utf-8")
        file.chmod(0o644)
    return read_project(root, path)


def read_project(root: Path, path: str = "Dockerfile") -> Project:
    """A project that is on disk already."""
    context = read_context(root, root / path)
    return Project(parse(context.dockerfile_text, path), context)
