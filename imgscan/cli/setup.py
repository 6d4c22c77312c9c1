"""What stands around the image, as commands read it: the container set-up, what its detectors say, what is at stake."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from imgscan.assess import Project
from imgscan.cli.session import Session
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.detect.words import is_secret_name
from imgscan.dockerfile.context import check_root
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.ignores import Ignores
from imgscan.model import Finding
from imgscan.patchmerge import with_merged_patches
from imgscan.project.setup import Setup, read_setup
from imgscan.project.stakes import Stakes, stakes_of
from imgscan.project.survey import setup_findings
from imgscan.setupscan import scan_setup

_MOST_VALUES: Final = 20_000


@frozen
class OpenedSetup:
    """A set-up with the findings on it."""

    setup: Setup
    findings: tuple[Finding, ...]
    stakes: Stakes


def open_setup(params: Mapping[str, Any], session: Session) -> OpenedSetup:
    """Read the set-up of the context folder and ask every detector. Raises InputError for a folder that cannot be read
    or a file that was named and is not there."""
    root: Path = params["context"]
    check_root(root)
    session.progress.stage("reading compose files, scripts and sources")
    setup = read_setup(
        root,
        compose_files=_inside(root, params["compose_files"]),
        profiles=params["profiles"],
        env_files=_inside(root, params["env_files"]),
    )
    session.redactor.spare(islice(_names(setup), _MOST_VALUES))
    _learn(setup, session)
    return OpenedSetup(setup=setup, findings=tuple(setup_findings(setup)), stakes=stakes_of(setup))


def search_setup(opened: OpenedSetup, session: Session, taken: Collection[str]) -> tuple[LocatedHit, ...]:
    """The secrets of the set-up's files but those `taken`, which were searched with a build context."""
    hits = scan_setup(opened.setup, session.scanner, taken)
    session.learn(hits)
    return hits


def patched_together(findings: Iterable[Finding], opened: OpenedSetup, session: Session) -> tuple[Finding, ...]:
    """The findings of one report, with patches of which each applies whatever else was applied."""
    redactor = session.redactor
    return with_merged_patches(findings, opened.setup.tree.text, lambda text: redactor.clean(text) != text)


def read_ignores(opened: OpenedSetup, projects: Sequence[Project]) -> Ignores:
    """The comments of the project's files that accept findings."""
    from imgscan.project.comments import project_ignores

    files = (posixpath.join(p.folder, (p.context.rules.file if p.context.rules else None) or "") for p in projects)
    return project_ignores(opened.setup, [p.dockerfile for p in projects], [file for file in files if file])


def _inside(root: Path, files: tuple[Path, ...]) -> tuple[str, ...]:
    """The paths as the set-up names its files: relative to the root, with slashes. They are meant from the working
    directory, as those of `docker compose -f` are."""
    top = root.resolve()
    found: list[str] = []
    for file in files:
        whole = file.parent.resolve() / file.name
        if not os.path.isfile(whole):  # noqa: PTH113 - Path raises for too long a name
            raise InputError(f"there is no file {file}", next_step="paths are meant from the working directory")
        if not whole.is_relative_to(top):
            raise InputError(
                f"{file} lies outside of {root}",
                cause="only files of the project are looked at",
                next_step="name the project's root as CONTEXT, and the Dockerfile with -f",
            )
        found.append(whole.relative_to(top).as_posix())
    return tuple(found)


def _learn(setup: Setup, session: Session) -> None:
    """Remember the secrets of files of variables and of compose files, so that no text shows them: these files may lie
    outside of the build context, which is searched apart."""
    for name, value in islice(_values(setup), _MOST_VALUES):
        # A word (`postgres`) may be the name of a service as well; to replace it everywhere would spoil the report.
        if not value.isalpha():
            session.learn_values({name: value})


def _names(setup: Setup) -> Iterator[str]:
    """The words that texts about the set-up are made of: services, the parts of their images, accounts, databases."""
    for project in setup.composes:
        yield from project.volumes
        for service in project.services.values():
            yield service.name
            yield from re.split(r"[/:@.-]", service.image.value) if service.image is not None else ()
            for name, variable in service.environment.items():
                if variable.value is not None and not is_secret_name(name):
                    yield variable.value.value


def _values(setup: Setup) -> Iterator[tuple[str, str]]:
    for env in setup.envs:
        yield from ((entry.name, entry.value) for entry in env.entries)
    for project in setup.composes:
        for service in project.services.values():
            args = service.build.args if service.build is not None else {}
            given = (*service.environment.items(), *args.items())
            yield from ((name, var.value.value) for name, var in given if var.value is not None)
