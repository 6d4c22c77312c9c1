"""The whole container set-up of a project, read once: what the detectors of `data/`, `health/`, `env/`, `network/` and
`backup/` are given. In: the project tree. Out: `Setup`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.project.compose.records import ComposeProject
from imgscan.project.shell.records import ShellText
from imgscan.project.sources.records import Sources
from imgscan.project.tree import ProjectTree, read_tree


@frozen
class EnvEntry:
    """A line `NAME=value` of a file of variables; `raw` is the value as written, `value` without quotes and with what
    can be replaced; `comment` what follows `#`."""

    name: str
    value: str
    raw: str
    file: str
    line: int


@frozen
class EnvText:
    """A file of variables. `example`: it is there to be copied (`.env.example`, `.env.dist`, `.env.sample`,
    `.env.template`, `.env.<name>.example`). `broken` are the lines that compose would refuse."""

    path: str
    example: bool
    entries: tuple[EnvEntry, ...]
    broken: tuple[tuple[int, str], ...] = ()


@frozen
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
    from imgscan.project.shell.read import read_shells
    from imgscan.project.sources.read import read_sources

    tree = read_tree(root)
    for path in (*compose_files, *env_files):
        if path not in tree.files:
            raise InputError(f"there is no file {path} in {root}", next_step="name files of the project, from its root")
    composes = read_composes(tree, compose_files, profiles, env_files)
    referred = (f.path for c in composes for s in c.services.values() for f in s.env_files if f.path)
    folders = tuple(project.directory for project in composes)
    return Setup(
        tree=tree,
        composes=composes,
        envs=read_envs(tree, (*referred, *env_files), folders),
        shells=read_shells(tree, composes),
        sources=read_sources(tree),
        dockerfiles=_dockerfiles(tree, composes),
    )


def _dockerfiles(tree: ProjectTree, composes: tuple[ComposeProject, ...]) -> dict[str, str]:
    builds = (service.build for project in composes for service in project.services.values())
    paths = sorted({build.dockerfile for build in builds if build and build.dockerfile})
    return {path: text for path in paths if (text := tree.text(path)) is not None}
