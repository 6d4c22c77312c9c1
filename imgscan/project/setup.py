"""The whole container set-up of a project, read once: what the detectors of `data/`, `health/`, `env/`, `network/` and
`backup/` are given. In: the project tree. Out: `Setup`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from imgscan.project.compose.records import ComposeProject
from imgscan.project.shell.records import ShellText
from imgscan.project.sources.records import Sources
from imgscan.project.tree import ProjectTree, read_tree


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


def read_setup(
    root: Path,
    *,
    compose_files: Sequence[str] = (),
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
) -> Setup:
    """The set-up of the project in `root`. `compose_files` are read as one project, in this order, instead of those
    that are found; `profiles` and `env_files` are what compose is started with. Paths are relative to `root`.

    Raises InputError for a named file that is not there.
    """
    # Imported when a project is read: YAML, the schema and the grammars of shells take too long for `--help`.
    from imgscan.project.compose.read import read_composes
    from imgscan.project.envfiles import read_envs

    tree = read_tree(root)
    composes = read_composes(tree, compose_files, profiles, env_files)
    referred = (f.path for c in composes for s in c.services.values() for f in s.env_files if f.path)
    return Setup(
        tree=tree,
        composes=composes,
        envs=read_envs(tree, (*referred, *env_files)),
        shells=_shells(tree, composes),
        sources=_sources(tree),
        dockerfiles=_dockerfiles(tree, composes),
    )


def _shells(tree: ProjectTree, composes: tuple[ComposeProject, ...]) -> tuple[ShellText, ...]:
    if find_spec("imgscan.project.shell.read") is None:
        return ()
    read: tuple[ShellText, ...] = import_module("imgscan.project.shell.read").read_shells(tree, composes)
    return read


def _sources(tree: ProjectTree) -> Sources:
    if find_spec("imgscan.project.sources.read") is None:
        return Sources()
    read: Sources = import_module("imgscan.project.sources.read").read_sources(tree)
    return read


def _dockerfiles(tree: ProjectTree, composes: tuple[ComposeProject, ...]) -> dict[str, str]:
    builds = (service.build for project in composes for service in project.services.values())
    paths = sorted({build.dockerfile for build in builds if build and build.dockerfile})
    return {path: text for path in paths if (text := tree.text(path)) is not None}
