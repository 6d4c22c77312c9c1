"""Cache mounts and links that are missing, defeated or without effect: `cache-no-mount`, `cache-mount-defeated`,
`cache-link-noop`, and the update of a package index in a step of its own, `cache-apt-update-alone`.

In: the simulated stages. Out: findings. What a step mounts is read from its flags, what it runs from its shell words.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.detect.cache.calls import Call, calls_of
from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.detect.stages.walk import bind_options
from imgscan.dockerfile.install import Ecosystem
from imgscan.dockerfile.parse import Command
from imgscan.model import Evidence, Finding, Fix, Location
from imgscan.rulebook import make_finding

GRAPH_DRIVERS: Final = frozenset(
    {"overlay2", "overlay", "aufs", "btrfs", "zfs", "vfs", "devicemapper", "fuse-overlayfs", "windowsfilter"}
)
"""Stores without the merge operation that `COPY --link` needs."""
_UPDATES: Final = {"apt-get": "update", "apt": "update", "aptitude": "update", "apk": "update"}
_INSTALL_VERBS: Final = frozenset(
    {"install", "upgrade", "dist-upgrade", "full-upgrade", "build-dep", "satisfy", "add", "source", "download"}
)
# Program, words it is called with, a part of the mount's target, and what to say.
_CLEANERS: Final = (
    ("apt-get", ("clean",), "/var/cache/apt"),
    ("apt", ("clean",), "/var/cache/apt"),
    ("npm", ("cache", "clean"), "npm"),
    ("yarn", ("cache", "clean"), "yarn"),
    ("pnpm", ("store", "prune"), "pnpm"),
    ("pip", ("cache", "purge"), "pip"),
    ("pip", ("--no-cache-dir",), "pip"),
    ("pip3", ("--no-cache-dir",), "pip"),
    ("uv", ("--no-cache",), "uv"),
    ("uv", ("cache", "clean"), "uv"),
    ("poetry", ("--no-cache",), "pypoetry"),
    ("apk", ("--no-cache",), "/var/cache/apk"),
    ("dnf", ("clean",), "/var/cache/dnf"),
    ("yum", ("clean",), "/var/cache/yum"),
    ("go", ("clean", "-modcache"), "/pkg/mod"),
    ("go", ("clean", "-cache"), "go-build"),
    ("composer", ("clear-cache",), "composer"),
    ("composer", ("clearcache",), "composer"),
    ("composer", ("--no-cache",), "composer"),
    ("conda", ("clean",), "pkgs"),
)
_SWITCHES: Final = {"PIP_NO_CACHE_DIR": "pip", "UV_NO_CACHE": "uv", "POETRY_NO_CACHE": "pypoetry"}
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def detect_mounts(simulation: Simulation, builder: str, store: str | None) -> Iterator[Finding]:
    """All findings of the module, stage by stage."""
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        for run in view.runs:
            yield from _update_alone(run)
            if builder != "classic":
                yield from _defeated(run)
        if builder != "classic":
            yield from _links(view.stage.commands, store)
    if builder != "classic":
        yield from _unmounted(simulation)


def cache_targets(run: RunStep) -> tuple[str, ...]:
    """Where the cache mounts of a RUN are, as absolute paths."""
    targets: list[str] = []
    for name, value in run.command.flags:
        options = bind_options(value) if name == "mount" and value else None
        if options and options.get("type") == "cache" and options.get("target"):
            targets.append(posixpath.normpath(posixpath.join(run.cwd, options["target"])))
    return tuple(targets)


def _unmounted(simulation: Simulation) -> Iterator[Finding]:
    """One finding for each package manager, with every install of it that has no cache mount."""
    found: dict[str, list[tuple[RunStep, Call]]] = {}
    for view in simulation.stages:
        for run in view.runs if view.stage.index in simulation.needed else ():
            if cache_targets(run):
                continue
            for call in calls_of(run):
                if call.manifests and not call.implicit and not call.offline and call.ecosystem is not Ecosystem.TOOL:
                    found.setdefault(call.manager, []).append((run, call))
                    break
    for manager, uses in sorted(found.items()):
        yield _no_mount(manager, uses)


def _no_mount(manager: str, uses: Sequence[tuple[RunStep, Call]]) -> Finding:
    run, call = uses[0]
    target = CACHE_DIRS.get(manager)
    option = f"`--mount=type=cache,target={target}`" if target else "a cache mount for the manager's cache directory"
    lines = ", ".join(str(line) for line in dict.fromkeys(r.command.instruction.line for r, _ in uses))
    return make_finding(
        "cache-no-mount",
        message=f"line {lines} ({call.label}) downloads everything again whenever the lockfile changes.",
        location=dockerfile_line(run.command),
        places=_places(r.command for r, _ in uses),
        evidence=Evidence.ABSENT,
        identity=(run.command.instruction.file, manager),
        fix=Fix(text=f"Give line {lines} {option}."),
    )


CACHE_DIRS: Final = {
    "npm": "/root/.npm",
    "pnpm": "/root/.local/share/pnpm/store",
    "yarn": "/usr/local/share/.cache/yarn",
    "bun": "/root/.bun/install/cache",
    "pip": "/root/.cache/pip",
    "uv": "/root/.cache/uv",
    "poetry": "/root/.cache/pypoetry",
    "pipenv": "/root/.cache/pipenv",
    "pdm": "/root/.cache/pdm",
    "go": "/go/pkg/mod",
    "cargo": "/usr/local/cargo/registry",
    "maven": "/root/.m2",
    "gradle": "/root/.gradle",
    "composer": "/root/.composer/cache",
    "bundler": "/usr/local/bundle/cache",
    "dotnet": "/root/.nuget/packages",
}


def _places(commands: Iterator[Command]) -> tuple[Location, ...]:
    return tuple(dict.fromkeys(dockerfile_line(command) for command in commands))


def _update_alone(run: RunStep) -> Iterator[Finding]:
    words = [simple.words for simple, _ in located_commands(run.command, run.cwd) if simple.words]
    programs = [(posixpath.basename(each[0]), _operand(each)) for each in words]
    updates = [program for program, verb in programs if _UPDATES.get(program) == verb]
    if not updates or any(program in _UPDATES and verb in _INSTALL_VERBS for program, verb in programs):
        return
    line = run.command.instruction.line
    yield make_finding(
        "cache-apt-update-alone",
        message=f"line {line} updates the package index and installs nothing: later installs use an old, cached index.",
        location=dockerfile_line(run.command),
        evidence=Evidence.PATTERN,
        identity=(run.command.instruction.file, updates[0], str(run.command.instruction.stage)),
    )


def _operand(words: Sequence[str]) -> str:
    return next((word for word in words[1:] if not word.startswith("-")), "")


def _defeated(run: RunStep) -> Iterator[Finding]:
    targets = cache_targets(run)
    if not targets:
        return
    how = next(_defeats(run, targets), None)
    if how is None:
        return
    line = run.command.instruction.line
    yield make_finding(
        "cache-mount-defeated",
        message=f"line {line} mounts a cache at {', '.join(targets)}, and {how}: the mount keeps nothing.",
        location=dockerfile_line(run.command),
        evidence=Evidence.PATTERN,
        identity=(run.command.instruction.file, how),
        fix=Fix(text=f"Remove that from line {line}; the content of a cache mount is never part of the image."),
    )


def _defeats(run: RunStep, targets: Sequence[str]) -> Iterator[str]:
    called = {call.manager for call in calls_of(run)}
    for name, manager in _SWITCHES.items():
        on = run.scope.get(name, "").strip().lower() not in _OFF
        if on and any(manager in target for target in targets) and called & {"pip", "uv", "poetry"}:
            yield f"{name} switches the cache off"
    for simple, _ in located_commands(run.command, run.cwd):
        program = posixpath.basename(simple.words[0]) if simple.words else ""
        if program == "rm":
            yield from (f"removes {path}" for path in _removed(simple.words) if any(_meets(path, t) for t in targets))
        for cleaner, needed, part in _CLEANERS:
            if program == cleaner and set(needed) <= set(simple.words) and any(part in target for target in targets):
                yield f"runs it with `{' '.join((cleaner, *needed))}`"


def _removed(words: Sequence[str]) -> Iterator[str]:
    for word in words[1:]:
        if word.startswith("/"):
            yield posixpath.normpath(word.removesuffix("*").rstrip("/") or "/")


def _meets(path: str, target: str) -> bool:
    return path == target or path.startswith(target + "/") or (path != "/" and target.startswith(path + "/"))


def _links(commands: Sequence[Command], store: str | None) -> Iterator[Finding]:
    for command in commands:
        flags = dict(command.flags)
        if command.keyword not in ("COPY", "ADD") or "link" not in flags or flags["link"] == "false":
            continue
        if flags.get("chmod"):
            why = "--chmod switches --link off"
        elif store in GRAPH_DRIVERS:
            why = f"the engine's store, {store}, cannot do it"
        else:
            continue
        yield make_finding(
            "cache-link-noop",
            message=f"line {command.instruction.line}: --link has no effect, since {why}.",
            location=dockerfile_line(command),
            evidence=Evidence.DERIVED,
            identity=(command.instruction.file, command.instruction.text),
        )
