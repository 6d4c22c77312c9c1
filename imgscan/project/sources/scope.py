"""Which sources belong to a service: those below the folder that its image is made of. Pure.

In: a service and the `Setup`. Out: folders, and the reads, binds and routes in them. A context that several Dockerfiles
in folders of their own share is split by those folders.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from imgscan.project.compose.records import Service
from imgscan.project.setup import Setup
from imgscan.project.sources.records import Bind, EnvRead, Route

_MANIFESTS: Final = (
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "Pipfile",
    "go.mod",
    "Gemfile",
    "pom.xml",
    "composer.json",
    "Cargo.toml",
)
_Placed = TypeVar("_Placed", EnvRead, Bind, Route)


def folder_of(service: Service, setup: Setup) -> str | None:
    """The folder of the tree (empty: its root) that holds a service's own sources; None where nothing is built."""
    build = service.build
    if build is None or build.context is None:
        return None
    context = "" if build.context == "." else build.context
    beside = posixpath.dirname(build.dockerfile) if build.dockerfile is not None else context
    inside = beside != context and (not context or beside.startswith(f"{context}/"))
    if inside and any(posixpath.join(beside, name) in setup.tree.files for name in _MANIFESTS):
        return beside
    return context


def reads_of(service: Service, setup: Setup) -> Iterator[EnvRead]:
    """The variables that a service's own sources read."""
    return _below(setup.sources.reads, folder_of(service, setup))


def binds_of(service: Service, setup: Setup) -> Iterator[Bind]:
    """The servers in a service's own sources."""
    return _below(setup.sources.binds, folder_of(service, setup))


def routes_of(service: Service, setup: Setup) -> Iterator[Route]:
    """The routes in a service's own sources."""
    return _below(setup.sources.routes, folder_of(service, setup))


def _below(things: Iterable[_Placed], folder: str | None) -> Iterator[_Placed]:
    if folder is None:
        return iter(())
    return (thing for thing in things if not folder or thing.file.startswith(f"{folder}/"))
