"""The stages of a Dockerfile simulated: which context paths are where in which stage, and what RUN may have made.

In: `Dockerfile`, `BuildContext`, target and build arguments. Out: `Simulation`, asked with `find`. It answers YES only
for what COPY and ADD surely bring, NO only where neither an instruction nor the base image could have supplied the
path, MAYBE otherwise; rules fire on NO. Paths of an image are absolute, those of the context relative.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.detect.stages.contextindex import index_context
from imgscan.detect.stages.producers import may_produce
from imgscan.detect.stages.records import UNKNOWN_WORKDIR, Found, Presence, RunStep, Simulation, StageView, Transfer
from imgscan.detect.stages.walk import MAX_COMMANDS, is_excluded, relative, walk_stages
from imgscan.dockerfile.parse import needed_stages, target_stage

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile

_MAX_HOPS: Final = 40
_NO: Final = Found(presence=Presence.NO)
_MAYBE: Final = Found(presence=Presence.MAYBE)


def simulate(
    dockerfile: Dockerfile, context: BuildContext, *, target: str | None, build_args: Mapping[str, str]
) -> Simulation:
    """The simulation of every stage. Raises InputError where the Dockerfile makes no sense (unknown target)."""
    index = index_context(context)
    return Simulation(
        index=index,
        stages=walk_stages(dockerfile, index, build_args),
        needed=needed_stages(dockerfile, target, build_args),
        target=target_stage(dockerfile, target).index,
    )


def chain(simulation: Simulation, stage: int) -> Iterator[int]:
    """The stage, then the one it is FROM, and so on."""
    at: int | None = stage
    while at is not None:
        yield at
        at = simulation.stages[at].parent


def final_stages(simulation: Simulation) -> frozenset[int]:
    """The stages whose layers are shipped: the target's chain."""
    return frozenset(chain(simulation, simulation.target))


def runs_before(simulation: Simulation, stage: int, ordinal: int) -> Iterator[RunStep]:
    """The RUN steps of the chain that ran before an instruction of a stage, the latest first."""
    for at in chain(simulation, stage):
        for run in reversed(simulation.stages[at].runs):
            if at != stage or run.command.instruction.ordinal < ordinal:
                yield run


def transfers_before(simulation: Simulation, stage: int, ordinal: int) -> Iterator[Transfer]:
    """What COPY and ADD of the chain brought before an instruction of a stage, the latest first."""
    for at in chain(simulation, stage):
        for transfer in reversed(simulation.stages[at].transfers):
            if at != stage or transfer.command.instruction.ordinal < ordinal:
                yield transfer


def find(
    simulation: Simulation, stage: int, path: str, *, before: int | None = None, run: RunStep | None = None
) -> Found:
    """Whether a file or directory is at an absolute path of a stage.

    `before`: only instructions of the stage with a smaller ordinal count; default all. `run`: as this RUN sees it, with
    its mounts, and with what its own commands may make.
    """
    if run is not None:
        before = run.command.instruction.ordinal
        for transfer in run.mounted:
            hit = _through(simulation, transfer, path, _MAX_HOPS)
            if hit.presence is not Presence.NO:
                return hit
        if run.mounts_unknown:
            return _MAYBE
    found = _find(simulation, stage, path, before, _MAX_HOPS)
    if found.presence is Presence.NO and run is not None and _may_have_made(simulation, run, path):
        return _MAYBE
    return found


def _find(simulation: Simulation, stage: int, path: str, before: int | None, hops: int) -> Found:
    if hops <= 0:
        return _MAYBE
    if before is None and (known := simulation._memo.get((stage, path))):
        return known
    found = _search(simulation, stage, path, before, hops)
    if before is None:
        simulation._memo[stage, path] = found
    return found


def _search(simulation: Simulation, stage: int, path: str, before: int | None, hops: int) -> Found:
    limit = before if before is not None else MAX_COMMANDS + 1
    maybe = False
    for transfer in transfers_before(simulation, stage, limit):
        hit = _through(simulation, transfer, path, hops)
        if hit.presence is Presence.YES:
            return hit
        maybe = maybe or hit.presence is Presence.MAYBE
    vague = any(simulation.stages[at].vague for at in chain(simulation, stage))
    if maybe or vague or _is_base_path(simulation, stage, path):
        return _MAYBE
    for run in runs_before(simulation, stage, limit):
        if _may_have_made(simulation, run, path):
            return _MAYBE
    return _NO


def _may_have_made(simulation: Simulation, run: RunStep, path: str) -> bool:
    def has(other: str) -> bool:
        return find(simulation, run.command.instruction.stage, other, run=run).presence is not Presence.NO

    return may_produce(run.command, run.cwd, path, has)


def _is_base_path(simulation: Simulation, stage: int, path: str) -> bool:
    """Whether the base image may well have the path: a system folder that is not the project's working directory, or
    any folder while the project works in the base's own, unknown, working directory."""
    views = [simulation.stages[at] for at in chain(simulation, stage)]
    workdirs = {run.cwd for view in views for run in view.runs} | {view.cwd for view in views}
    if any(relative(cwd, path) is not None for cwd in workdirs):
        return True  # WORKDIR made it
    if not is_official(views[-1].base) and not _is_shared_folder(views, posixpath.dirname(path)):
        return True
    inside = any(relative(path, cwd) is not None and not _is_system(cwd) for cwd in workdirs)
    if path.startswith(_SYSTEM_FOLDERS) and not inside:
        return True
    works_there = any(run.cwd.startswith(UNKNOWN_WORKDIR) for view in views for run in view.runs)
    unknown = works_there or any(t.dest.startswith(UNKNOWN_WORKDIR) for v in views for t in v.transfers)
    return unknown and not inside


def is_official(base: str) -> bool:
    """Whether an external image is one of those whose project folders are known to be empty."""
    name = base.removeprefix("docker.io/").removeprefix("library/").split("@")[0].split(":")[0]
    return name in _OFFICIAL


def _is_shared_folder(views: list[StageView], folder: str) -> bool:
    """Whether the project itself puts something into the folder, so that it is the project's and not the base's."""
    transfers = (t for view in views for t in view.transfers if t.from_stage is None and not t.opaque)
    return any(folder in (t.dest, posixpath.dirname(t.dest)) for t in transfers)


def _is_system(folder: str) -> bool:
    return folder == "/" or folder + "/" in _SYSTEM_FOLDERS


_OFFICIAL: Final = frozenset(
    {
        *(
            "scratch",
            "alpine",
            "debian",
            "ubuntu",
            "fedora",
            "centos",
            "rockylinux",
            "almalinux",
            "amazonlinux",
            "busybox",
        ),
        *(
            "node",
            "python",
            "pypy",
            "golang",
            "rust",
            "ruby",
            "php",
            "perl",
            "openjdk",
            "eclipse-temurin",
            "amazoncorretto",
        ),
        *(
            "maven",
            "gradle",
            "sbt",
            "composer",
            "elixir",
            "erlang",
            "haskell",
            "swift",
            "dart",
            "julia",
            "r-base",
            "gcc",
        ),
        *("nginx", "httpd", "caddy", "traefik", "haproxy", "tomcat", "jetty", "postgres", "mysql", "mariadb", "mongo"),
        *("redis", "memcached", "rabbitmq", "buildpack-deps", "docker", "oraclelinux", "opensuse/leap", "archlinux"),
    }
)
_SYSTEM_FOLDERS: Final = (
    *(
        "/bin/",
        "/boot/",
        "/dev/",
        "/etc/",
        "/home/",
        "/lib/",
        "/lib64/",
        "/media/",
        "/mnt/",
        "/opt/",
        "/proc/",
        "/root/",
    ),
    *("/run/", "/sbin/", "/srv/", "/sys/", "/tmp/", "/usr/", "/var/", "/go/", "/nix/"),  # noqa: S108 - only compared
)


def _through(simulation: Simulation, transfer: Transfer, path: str, hops: int) -> Found:
    """Whether a transfer brings the path, or a file below it."""
    inside = relative(path, transfer.dest)
    above = relative(transfer.dest, path)
    if inside is None and above is None:
        return _NO
    if transfer.opaque:
        return _MAYBE
    source = transfer.source
    if inside:
        if not transfer.is_directory and transfer.from_stage is None:
            return _NO
        if transfer.excludes and is_excluded(transfer.excludes, inside):
            return _NO
        source = posixpath.join(source, inside)
    if transfer.from_stage is not None:
        hit = _find(simulation, transfer.from_stage, source, None, hops - 1)
        return Found(presence=hit.presence, source=hit.source, transfer=transfer)
    index = simulation.index
    there = source in index.known or source in index.folders
    return Found(presence=Presence.YES, source=source, transfer=transfer) if there else _NO
