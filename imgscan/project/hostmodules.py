"""What the host installed or built, on its way over what the image did: `tech-host-files-over-build`.

In: the project. Out: findings on a COPY of the context that comes after an install, where the ignore file lets nested
node_modules, build output or build states through.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import StageView, Transfer
from imgscan.detect.stages.walk import is_excluded, relative
from imgscan.dockerfile.ignore import is_ignored
from imgscan.model import Evidence, Finding, Fix, Location, Place
from imgscan.project.ignorepatch import ignore_file_of, ignore_patch
from imgscan.project.manifests import Package
from imgscan.project.sites import Project, Site
from imgscan.rulebook import make_finding

_NAMED: Final = 6
_BUILD_STATE: Final = ".tsbuildinfo"


def detect_host_files(project: Project) -> Iterator[Finding]:
    """One finding for each COPY that may bring them."""
    for view in project.simulation.stages:
        if view.stage.index not in project.simulation.needed:
            continue
        for transfer in view.transfers:
            if transfer.from_stage is None and transfer.is_directory and not transfer.opaque:
                before, after = _installs(project, view, transfer)
                exposed = _exposed(project, before or after, transfer)
                there = any(path in project.simulation.index.folders for path in exposed)
                # Without any ignore file, what may come is said once, by context-no-ignore-file.
                if exposed and (there or project.context.rules is not None):
                    yield _finding(project, transfer, exposed, () if before else after)


def _installs(project: Project, view: StageView, transfer: Transfer) -> tuple[tuple[Site, ...], tuple[Site, ...]]:
    """The installs whose node_modules are there before the COPY, and those of pnpm in the stage after it: npm removes
    what it finds, pnpm asks, or builds on it."""
    ordinal = transfer.command.instruction.ordinal
    before = project.providers(view.stage.index, ordinal)
    own = (site for site in project.sites if site.stage == view.stage.index and site.install.manager == "pnpm")
    return before, tuple(site for site in own if site.run.command.instruction.ordinal > ordinal)


def _exposed(project: Project, installed: tuple[Site, ...], transfer: Transfer) -> list[str]:
    """The node_modules of members that the COPY would bring over those of the stage, from the context's root."""
    roots = {site.workspace.root for site in installed if site.workspace is not None}
    members = {package.folder: package for root in sorted(roots) for package in _members(project, root)}
    found: list[str] = []
    for folder, package in members.items():
        if not folder or not _brings(transfer, folder):
            continue
        modules = posixpath.join(folder, "node_modules")
        if (package.dependencies or package.dev_dependencies) and _passes(project, transfer, modules):
            found.append(modules)
    return sorted(found)


def _members(project: Project, root: str) -> Iterator[Package]:
    for workspace in project.workspaces:
        if workspace.root == root:
            yield from workspace.members.values()


def _brings(transfer: Transfer, folder: str) -> bool:
    return not transfer.source or relative(folder, transfer.source) is not None


def _passes(project: Project, transfer: Transfer, path: str) -> bool:
    """Whether a path would get through ignore file and --exclude."""
    rules = project.context.rules
    if rules is not None and is_ignored(rules, path):
        return False
    inside = relative(path, transfer.source) if transfer.source else path
    return not (inside and transfer.excludes and is_excluded(transfer.excludes, inside))


def _finding(project: Project, transfer: Transfer, exposed: list[str], after: tuple[Site, ...]) -> Finding:
    command = transfer.command
    folders = project.simulation.index.folders
    there = [path for path in exposed if path in folders]
    others = _other_patterns(project)
    file = ignore_file_of(project.context)
    when = f"{_listed(there)} are there now" if there else "as soon as somebody installs on the host"
    line = command.instruction.line
    if after:
        what = (
            f"line {line} brings what the host installed before line {after[0].run.command.instruction.line} installs"
        )
        harm = "pnpm stops to ask whether to remove it, or keeps the host's links"
    else:
        what, harm = f"line {line} copies over what was installed", "the host's links and platform replace the image's"
    return make_finding(
        "tech-host-files-over-build",
        message=f"{what}: {file} lets {_listed(exposed)} through; {when}, {harm}.",
        location=dockerfile_line(command),
        places=(dockerfile_line(command), Location(place=Place.CONTEXT, path=file)),
        evidence=Evidence.DERIVED if there else Evidence.PATTERN,
        identity=(command.instruction.file, transfer.source, *exposed),
        fix=Fix(
            text=f"Add {', '.join(f'`{pattern}`' for pattern in others)} at the end of {file}.",
            patch=ignore_patch(project.context, others),
        ),
    )


def _other_patterns(project: Project) -> list[str]:
    """What to exclude at every depth: node_modules, the members' build output, states of incremental builds."""
    rules = project.context.rules
    known = project.simulation.index.known
    outputs = {
        output.split("/", 1)[0]
        for package in project.packages.values()
        for output in package.outputs
        if "/" in output and posixpath.normpath(posixpath.join(package.folder, output)) not in known
    }
    typed = any(posixpath.basename(path).startswith("tsconfig") for path in known)
    wanted = ["node_modules", *sorted(name for name in outputs if name.isidentifier() and name != "src")]
    patterns = [f"**/{name}" for name in wanted] + ([f"**/*{_BUILD_STATE}"] if typed else [])
    probes = {pattern: pattern.replace("**/", "x/").replace("*", "x") for pattern in patterns}
    return [pattern for pattern, probe in probes.items() if rules is None or not is_ignored(rules, probe)]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
