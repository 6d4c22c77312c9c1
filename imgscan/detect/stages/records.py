"""The nouns of the stage simulation: what an instruction brings where, what a RUN sees, a stage, an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from imgscan.detect.stages.contextindex import ContextIndex
from imgscan.frozen import frozen

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command, Stage

UNKNOWN_WORKDIR: Final = "/{workdir of the base image}"
"""Stands for the working directory of an external base image: unknown, yet the same for all instructions of a chain."""


class Presence(StrEnum):
    """Whether a path is in a stage."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


@frozen
class Transfer:
    """One source of a COPY, ADD or bind mount and where it lands.

    `source` is a context path, or an absolute path of stage `from_stage`; a directory's contents land in `dest`.
    `opaque`: what it brings cannot be known (an archive, a URL, another image, a wildcard in another stage).
    """

    command: Command
    source: str
    dest: str
    is_directory: bool
    from_stage: int | None = None
    excludes: tuple[str, ...] = ()
    opaque: bool = False


@frozen
class RunStep:
    """A RUN with what it sees: working directory, ARG and ENV, and the files mounted for it alone."""

    command: Command
    cwd: str
    scope: Mapping[str, str]
    mounted: tuple[Transfer, ...] = ()
    mounts_unknown: bool = False


@frozen
class StageView:
    """A stage after simulation. `parent` is the stage it is FROM, None for an external image named `base`.

    `vague`: an instruction brought files to places that cannot be known (an unset variable, too many files).
    `missing`: instructions with a path that they name and the context does not have.
    """

    stage: Stage
    parent: int | None
    base: str
    transfers: tuple[Transfer, ...]
    runs: tuple[RunStep, ...]
    vague: bool
    cwd: str
    scope: Mapping[str, str]
    missing: tuple[tuple[Command, str], ...] = ()


@frozen
class Simulation:
    """All stages; `needed` are those that the target needs, `target` the stage that becomes the image."""

    index: ContextIndex
    stages: tuple[StageView, ...]
    needed: frozenset[int]
    target: int
    _memo: dict[tuple[int, str], Found] = field(default_factory=dict, repr=False, compare=False)


@frozen
class Found:
    """The answer of `find`: `source` is the context path and `transfer` the instruction when it is YES."""

    presence: Presence
    source: str | None = None
    transfer: Transfer | None = None
