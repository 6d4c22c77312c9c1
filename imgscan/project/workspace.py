"""Monorepo builds that cannot work (`tech-…`): what is missing at the install, and what follows from it.

In: Dockerfile and context. Out: findings of TECH-001, each derived by simulating the stages with the project's own
manifests, so that a failed build can be explained and one that would fail is seen without building.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import Presence, RunStep, Simulation
from imgscan.detect.stages.stagesim import chain, simulate
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.buildsteps import detect_build_steps
from imgscan.project.deploys import detect_deploys
from imgscan.project.dockerfilepatch import add_lines, add_source
from imgscan.project.hostmodules import detect_host_files
from imgscan.project.installsettings import detect_install_settings
from imgscan.project.lockdrift import detect_drift
from imgscan.project.manifests import WORKSPACE_FILE, Package, closure, workspace_dependencies
from imgscan.project.nodemodules import detect_node_modules
from imgscan.project.pnpmversions import detect_managers
from imgscan.project.scripts import script_runs, selected
from imgscan.project.sites import Project, Site, frozen_by_environment, is_newest_node, node_version
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile

_NAMED: Final = 6
_NO_COREPACK: Final = 25
"""The first major version of Node whose images come without corepack."""


def detect(
    dockerfile: Dockerfile,
    context: BuildContext,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """The findings. Raises InputError for a target that does not exist."""
    simulation = simulate(dockerfile, context, target=target, build_args=build_args or {})
    project = Project(simulation, context, dockerfile)
    for site in project.sites:
        yield from _workspace_file(project, site)
        yield from _member_manifests(project, site)
        yield from _lockfile(project, site)
    yield from detect_install_settings(project)
    yield from detect_drift(project)
    yield from detect_managers(project)
    yield from detect_build_steps(project)
    yield from detect_deploys(project)
    yield from detect_host_files(project)
    yield from detect_node_modules(project)
    yield from _corepack(simulation)


def lacks_workspace_file(project: Project, site: Site) -> bool:
    """Whether a pnpm install of a workspace's root runs without its pnpm-workspace.yaml."""
    workspace = site.workspace
    if workspace is None or workspace.manager != "pnpm" or site.install.manager != "pnpm":
        return False
    if site.source != workspace.root or "--ignore-workspace" in site.install.command_text:
        return False
    path = posixpath.join(site.folder, WORKSPACE_FILE)
    return project.at(site.stage, path, run=site.run).presence is Presence.NO


def _workspace_file(project: Project, site: Site) -> Iterator[Finding]:
    workspace = site.workspace
    if workspace is None or not lacks_workspace_file(project, site):
        return
    command = site.run.command
    names = sorted(workspace.members)
    lost = f"its {len(names)} members ({_listed(names)}) get no node_modules" if names else "its settings are lost"
    why = f" ({workspace.file})" if workspace.root else ""
    why += ", since the ignore file keeps it out of the context" if workspace.hidden else ""
    copies = " ".join(posixpath.join(workspace.root, name) for name in ("pnpm-lock.yaml", WORKSPACE_FILE))
    yield make_finding(
        "tech-workspace-file-missing",
        message=(
            f"{WORKSPACE_FILE} never reaches the install stage{why}: line {command.instruction.line} "
            f"sees a single package and exits 0, but {lost}."
        ),
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, workspace.file),
        severity=None if names else Severity.MEDIUM,
        fix=Fix(
            text=f"Copy it with the lockfile before line {command.instruction.line}: `COPY {copies} ./`"
            + (f", and add `!{workspace.file}` to .dockerignore." if workspace.hidden else "."),
            patch=None if workspace.hidden else _with_workspace_file(project, site, workspace.file),
        ),
    )


def _with_workspace_file(project: Project, site: Site, file: str) -> str | None:
    """The COPY that brings the lockfile brings the workspace file, too."""
    where = posixpath.join(site.folder, "pnpm-lock.yaml")
    transfer = project.at(site.stage, where, run=site.run).transfer
    if transfer is None or transfer.from_stage is not None or transfer.is_directory:
        return None
    return add_source(project.dockerfile, transfer.command, transfer.source, file)


def _member_manifests(project: Project, site: Site) -> Iterator[Finding]:
    workspace = site.workspace
    if workspace is None or not site.root or "fetch" in site.install.command_text.split():
        return
    if (
        workspace.manager == "pnpm"
        and project.at(site.stage, posixpath.join(site.root, WORKSPACE_FILE), run=site.run).presence is Presence.NO
    ):
        return
    there = {name: _manifest_presence(project, site, package) for name, package in workspace.members.items()}
    present = [package for name, package in workspace.members.items() if there[name] is not Presence.NO]
    roots = [*present, *([workspace.package] if workspace.package else []), *_built(project, site)]
    needed = closure(workspace, roots)
    missing = sorted(name for name in needed if there.get(name) is Presence.NO)
    if not missing:
        return
    users = sorted(p.name for p in roots if any(d.name in missing for d in workspace_dependencies(workspace, p)))
    command = site.run.command
    manifests = [workspace.members[name].manifest for name in missing]
    copies = [f"COPY {path} {posixpath.dirname(path)}/" for path in manifests]
    plain = site.root == site.run.cwd and not workspace.root and not any(map(str.isspace, "".join(manifests)))
    yield make_finding(
        "tech-member-manifest-missing",
        message=(
            f"{_listed(manifests)} {'is' if len(missing) == 1 else 'are'} not there when line "
            f"{command.instruction.line} installs, although {_listed(users) or 'a later step'} needs "
            f"{_listed(missing)}: the link leads to a folder without a manifest, and no dependency of it is installed."
        ),
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, *missing),
        fix=Fix(
            text="; ".join(f"`{copy}`" for copy in copies[:_NAMED]) + f" before line {command.instruction.line}.",
            patch=add_lines(project.dockerfile, command, copies) if plain else None,
        ),
    )


def _manifest_presence(project: Project, site: Site, package: Package) -> Presence:
    workspace = site.workspace
    inside = posixpath.relpath(package.manifest, (workspace.root if workspace else "") or ".")
    return project.at(site.stage, posixpath.join(site.root, inside), run=site.run).presence


def _built(project: Project, site: Site) -> Iterator[Package]:
    """The members that steps below the install build by name, where no other install comes in between."""
    workspace = site.workspace
    if workspace is None or any(s is not site and s.workspace is workspace for s in project.sites):
        return
    for view in project.simulation.stages:
        if view.stage.index in project.simulation.needed and site.stage in chain(project.simulation, view.stage.index):
            for run in view.runs:
                for script in script_runs(run):
                    for pattern in script.filters:
                        yield from selected(workspace, pattern)


def _lockfile(project: Project, site: Site) -> Iterator[Finding]:
    install, command = site.install, site.run.command
    base = site.workspace.root if site.workspace else site.source
    known = project.simulation.index.known
    lockfiles = [name for name in install.lockfiles if posixpath.join(base, name) in known]
    root = site.root or site.folder
    missing = [
        n for n in lockfiles if project.at(site.stage, posixpath.join(root, n), run=site.run).presence is Presence.NO
    ]
    line = command.instruction.line
    if lockfiles and len(missing) == len(lockfiles):
        what = f"{lockfiles[0]} is in the context but not in the stage when line {line} installs"
        fix = f"Copy {posixpath.join(base, lockfiles[0])} before line {line}."
    elif not lockfiles and site.install.manager != "bun" and "fetch" not in install.command_text:
        what = f"line {line} installs without a lockfile: there is none in the context"
        fix = "Commit the lockfile, copy it before the install, and use the frozen form of the install."
    elif lockfiles and not install.frozen and not frozen_by_environment(site):
        what = f"line {line} ({install.manager}) may install other versions than {lockfiles[0]} says"
        fix = f"Use `{_FROZEN[install.manager]}` in line {line}." if install.manager in _FROZEN else ""
    else:
        return
    yield make_finding(
        "tech-lockfile-not-frozen",
        message=what + ".",
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, install.manager, base),
        fix=Fix(text=fix) if fix else None,
    )


_FROZEN: Final = {
    "npm": "npm ci",
    "pnpm": "pnpm install --frozen-lockfile",
    "yarn": "yarn install --immutable (yarn 1: --frozen-lockfile)",
    "bun": "bun install --frozen-lockfile",
}


def _corepack(simulation: Simulation) -> Iterator[Finding]:
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        external = simulation.stages[list(chain(simulation, view.stage.index))[-1]].base
        version = node_version(external)
        floating = is_newest_node(external)
        if not floating and (version is None or version[0] < _NO_COREPACK):
            continue
        calls = ((run, simple) for run in view.runs for simple, _ in located_commands(run.command, run.cwd))
        for run, simple in calls:
            if simple.words[:1] == ("corepack",):
                yield _no_corepack(run, external, floating)
                break
            if "corepack" in (word.split("@")[0] for word in simple.words[1:]):
                break  # installed as a package


def _no_corepack(run: RunStep, base: str, floating: bool) -> Finding:
    line = run.command.instruction.line
    when = "sooner or later has" if floating else "has"
    return make_finding(
        "tech-corepack-missing",
        message=f"line {line} calls corepack, and {base} {when} none (Node {_NO_COREPACK} and later): exit code 127.",
        location=dockerfile_line(run.command),
        evidence=Evidence.PATTERN if floating else Evidence.DERIVED,
        identity=(run.command.instruction.file, str(run.command.instruction.stage)),
        severity=Severity.LOW if floating else None,
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
