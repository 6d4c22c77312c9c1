"""The whole container set-up of a project, read once: what the detectors of `data/`, `health/`, `env/`, `network/` and
`backup/` are given. In: the project tree. Out: `Setup`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgscan.project.compose.records import ComposeProject
from imgscan.project.shell.records import ShellText
from imgscan.project.sources.records import Sources
from imgscan.project.tree import ProjectTree


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvEntry:
    """A line `NAME=value` of a file of variables; `raw` is the value as written, `value` without quotes and with what
    can be replaced; `comment` what follows `#`."""

    name: str
    value: str
    raw: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvText:
    """A file of variables. `example`: it is there to be copied (`.env.example`, `.env.dist`, `.env.sample`,
    `.env.template`, `.env.<name>.example`). `broken` are the lines that compose would refuse."""

    path: str
    example: bool
    entries: tuple[EnvEntry, ...]
    broken: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything around the image. `dockerfiles` are the texts of Dockerfiles that compose builds, by path."""

    tree: ProjectTree
    composes: tuple[ComposeProject, ...] = ()
    envs: tuple[EnvText, ...] = ()
    shells: tuple[ShellText, ...] = ()
    sources: Sources = field(default_factory=Sources)
    dockerfiles: Mapping[str, str] = field(default_factory=dict)
