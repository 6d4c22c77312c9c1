"""What is at stake in a container set-up: which services keep data, which others need, what is built and backed up.

In: `Setup`. Out: `Stakes`, plain facts that the risk register weighs. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import ComposeProject, Service
from imgscan.project.data.stores import stateful_services
from imgscan.project.serviceimages import service_image
from imgscan.project.setup import Setup
from imgscan.project.tree import ProjectTree

_DUMPS: Final = lazy_re(
    r"\b(?:pg_dump|pg_dumpall|pg_basebackup|mysqldump|mariadb-dump|mongodump|redis-cli\s+--rdb|restic\s+backup|"
    r"borg\s+create)\b"
)
_RESTORES: Final = lazy_re(r"\b(?:pg_restore|mongorestore|restic\s+restore|borg\s+extract)\b|\bpsql\b[^\n|]*<")
_WORKSPACE_FILES: Final = ("pnpm-workspace.yaml", "lerna.json", "nx.json", "turbo.json")
_MOST: Final = 50


@frozen
class Store:
    """A service that keeps something: `lasting` is data that exists nowhere else, else a cache or a queue. `volume` is
    the engine's name of the volume at its data (None: none, or not known), `held` whether a volume with a name or a
    folder of the host holds them, `port` one that it listens on."""

    service: str
    image: str | None
    lasting: bool
    volume: str | None = None
    held: bool = True
    port: int | None = None


@frozen
class Stakes:
    """The facts. `compose_files` by project, in the order they are merged, `env_files` what compose reads for each;
    `built` maps a service to its Dockerfile; `needed` are services that others wait for or that publish a port;
    `volumes` are those with a name that services mount; `backups` and `restores` the texts that dump and restore."""

    compose_files: tuple[tuple[str, ...], ...] = ()
    services: tuple[str, ...] = ()
    stores: tuple[Store, ...] = ()
    built: tuple[tuple[str, str], ...] = ()
    needed: frozenset[str] = frozenset()
    alone: bool = True
    variables: bool = False
    volumes: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    restores: tuple[str, ...] = ()

    @property
    def lasting(self) -> tuple[Store, ...]:
        """The stores whose data exist nowhere else."""
        return tuple(store for store in self.stores if store.lasting)


def stakes_of(setup: Setup) -> Stakes:
    """What is at stake; names are those of the project, each once, in the order of its files."""
    projects = setup.composes
    services = [service for project in projects for service in project.services.values()]
    built = {s.name: s.build.dockerfile for s in services if s.build is not None and s.build.dockerfile is not None}
    examples = tuple(env.path for env in setup.envs if env.example)
    return Stakes(
        compose_files=tuple(project.files for project in projects),
        services=tuple(dict.fromkeys(service.name for service in services)),
        stores=tuple(_stores(setup))[:_MOST],
        built=tuple(built.items()),
        needed=frozenset(_needed(projects)),
        alone=all(len(project.services) < 2 for project in projects),
        variables=bool(examples) or any(p.variables or _reads_files(p) for p in projects),
        volumes=tuple(dict.fromkeys(_volumes(services)))[:_MOST],
        examples=examples,
        workspaces=tuple(_workspaces(setup.tree)),
        backups=tuple(dict.fromkeys(t.file for t in setup.shells if _DUMPS.search(t.text)))[:_MOST],
        restores=tuple(dict.fromkeys(t.file for t in setup.shells if _RESTORES.search(t.text)))[:_MOST],
    )


def _volumes(services: Iterable[Service]) -> Iterator[str]:
    for service in services:
        yield from (mount.source for mount in service.mounts if mount.kind == "volume" and mount.source is not None)


def _reads_files(project: ComposeProject) -> bool:
    return any(service.env_files or service.environment for service in project.services.values())


def _needed(projects: tuple[ComposeProject, ...]) -> Iterator[str]:
    for project in projects:
        for service in project.services.values():
            yield from service.depends_on
            if service.ports:
                yield service.name


def _stores(setup: Setup) -> Iterator[Store]:
    for found in stateful_services(setup):
        if not found.kept:
            continue
        image = service_image(found.service, setup)
        source = found.holder.source if found.holder is not None else None
        volume = found.compose.volumes.get(source) if source else None
        yield Store(
            service=found.service.name,
            image=image.base,
            lasting=found.records,
            volume=volume.real_name if volume else None,
            held=source is not None,
            port=min(image.known.ports, default=None) if image.known else None,
        )


def _workspaces(tree: ProjectTree) -> Iterator[str]:
    """The files that make the project, or a folder of it, a monorepo."""
    found = list(tree.named(*_WORKSPACE_FILES))[:_MOST]
    yield from found
    for path in list(tree.named("package.json"))[:_MOST]:
        if _has_workspaces(tree.text(path)):
            yield path


def _has_workspaces(text: str | None) -> bool:
    if text is None or '"workspaces"' not in text:
        return False
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and bool(data.get("workspaces"))
