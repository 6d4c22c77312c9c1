"""The nouns of the cache model: what goes into a build, who builds, the key of a step, what is predicted of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from imgscan.build.request import Builder
from imgscan.frozen import frozen
from imgscan.model import EntryKind, Instruction

if TYPE_CHECKING:
    from imgscan.build.cachemodel.contents import Content
    from imgscan.dockerfile.parse import Dockerfile


@frozen
class InputFile:
    """A path of the context that reaches the engine. `digest` stands for the content: two files with the same one have
    the same bytes. `mtime_ns` None: the time plays no part, or is not known."""

    path: str
    kind: EntryKind
    mode: int
    digest: str = ""
    link_target: str | None = None
    size_bytes: int = 0
    mtime_ns: int | None = None


@frozen
class BaseImage:
    """What is known of an external image. `layers` identifies its files, `config` the image as a whole (its id);
    `env`, `workdir`, `user`, `shell` and `triggers` (the texts of ONBUILD) are those of its configuration."""

    layers: str
    config: str = ""
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = "/"
    user: str = ""
    shell: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()


@frozen
class Inputs:
    """All that a build is made from. `files` are those that reach the engine, ignored ones left out; `bases` are the
    external images by the names in the Dockerfile, one that is missing there counts as one of that name."""

    dockerfile: Dockerfile
    files: tuple[InputFile, ...]
    build_args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    bases: Mapping[str, BaseImage] = field(default_factory=dict)


@frozen
class CacheBuilder:
    """Whose rules count. `version` is the engine's (Docker's for BuildKit and the classic builder), major and minor;
    `merges`: it can lay layers on each other without copying (MergeOp: the containerd image store, a builder in a
    container), which is what `--link` needs; `synced`: the context is sent as `docker build` does it with BuildKit, by
    comparing sizes and times with what the engine has from the last build, not as an archive."""

    kind: Builder
    version: tuple[int, int] = (28, 0)
    merges: bool = False
    synced: bool = False


class Outcome(StrEnum):
    """What a step will be: taken from the cache, carried out, or what nobody can know before."""

    HIT = "hit"
    MISS = "miss"
    UNKNOWN = "unknown"


@frozen
class StepPrediction:
    """One step as the builder numbers it: `stage` is the stage's index, `ordinal` BuildKit's number in the stage, for
    other builders the number of the instruction. `reason` says why in words, empty for a hit; `cause` is the
    instruction at which the trouble began, the step's own or one above it; `depends_on` are the instructions whose
    results decide an unknown one. `same_as` are stage and number of an earlier step that is the very same:
    BuildKit carries both out as one, and reports it under either name."""

    stage: int
    ordinal: int
    instruction: Instruction
    outcome: Outcome
    reason: str = ""
    cause: Instruction | None = None
    depends_on: tuple[Instruction, ...] = ()
    same_as: tuple[int, int] | None = None


Ref = int | tuple[str, ...]
"""A node of a graph by its index, or where it begins: `("image", layers)`, `("image", layers, id)` where the image as a
whole may count, `("scratch", "")`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """The cache key of one step: `facets` are the parts of the operation by what they are called in words, `parents`
    the results it is carried out on, `contents` the files it takes from elsewhere. `stage` is where it is carried out:
    for a trigger not where it stands. `shown`: the builder reports it."""

    index: int
    stage: int
    instruction: Instruction
    ordinal: int
    shown: bool
    facets: tuple[tuple[str, Hashable], ...]
    parents: tuple[Ref, ...]
    contents: tuple[Content, ...] = ()
