"""What of a monorepo makes rebuilds do more than an edit needs: `cache-workspace-copy`, `cache-manifest-edit-installs`,
`cache-install-repeated`.

In: Dockerfile and context. Out: findings of PERF-001, each derived by simulating the stages.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import StageView, Transfer
from imgscan.detect.stages.stagesim import chain, simulate
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.buildsteps import targets_of
from imgscan.project.manifests import Package, Workspace, closure
from imgscan.project.scripts import script_runs
from imgscan.project.sites import Project, Site
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile

_NAMED: Final = 6


def detect(
    dockerfile: Dockerfile,
    context: BuildContext,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """The findings. Raises InputError for a target that does not exist."""
    project = Project(simulate(dockerfile, context, target=target, build_args=build_args or {}), context)
    for view in project.simulation.stages:
        if view.stage.index in project.simulation.needed:
            yield from _foreign_members(project, view)
    yield from _manifest_edits(project)
    yield from _repeated(project)


def _foreign_members(project: Project, view: StageView) -> Iterator[Finding]:
    """A COPY of the whole workspace into a stage that builds some members of it."""
    needed = _built(project, view)
    if needed is None:
        return
    workspace, packages = needed
    for transfer in view.transfers:
        if transfer.from_stage is not None or transfer.opaque or not transfer.is_directory:
            continue
        if transfer.source not in ("", workspace.root):
            continue
        foreign = {
            member.folder: len(project.simulation.index.span(member.folder))
            for name, member in workspace.members.items()
            if name not in packages
        }
        foreign = {folder: files for folder, files in foreign.items() if files}
        if foreign:
            yield _copied(transfer, foreign, sorted(package.folder for package in packages.values() if package.folder))
            return


def _built(project: Project, view: StageView) -> tuple[Workspace, dict[str, Package]] | None:
    """The workspace and the members that the stage's scripts need; None if that is all of them, or not known."""
    found: dict[str, Package] = {}
    inside: Workspace | None = None
    for run in view.runs:
        for script in script_runs(run):
            workspace, targets = targets_of(project, script)
            if workspace is None or not targets or not script.filters:
                return None
            inside = workspace
            found.update(closure(workspace, targets))
    return (inside, found) if inside is not None else None


def _copied(transfer: Transfer, foreign: dict[str, int], wanted: list[str]) -> Finding:
    command = transfer.command
    line = command.instruction.line
    names = [f"{folder} ({files} files)" for folder, files in sorted(foreign.items())]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return make_finding(
        "cache-workspace-copy",
        message=(
            f"line {line} copies the whole workspace for a build of {', '.join(wanted[:_NAMED])}: an edit in "
            f"{', '.join(names[:_NAMED])}{more} builds again."
        ),
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, *sorted(foreign)),
        fix=Fix(
            text=f"Instead of line {line} copy what is needed, what changes least first: "
            + ", ".join(f"`COPY {folder} {folder}`" for folder in wanted[:_NAMED])
            + " and the configuration files beside them."
        ),
    )


def _manifest_edits(project: Project) -> Iterator[Finding]:
    """An install of pnpm without a fetch before it: every edit of a package.json downloads again."""
    for site in project.sites:
        if site.install.manager != "pnpm" or "fetch" in site.install.command_text.split():
            continue
        stages = list(chain(project.simulation, site.stage))
        fetched = any(
            other.stage in stages and "fetch" in other.install.command_text.split() for other in project.sites
        )
        command = site.run.command
        if fetched or any("cache" in (value or "") for name, value in command.flags if name == "mount"):
            continue
        line = command.instruction.line
        yield make_finding(
            "cache-manifest-edit-installs",
            message=f"every edit of a package.json, be it a script's, downloads all packages in line {line} again.",
            location=dockerfile_line(command),
            evidence=Evidence.DERIVED,
            identity=(command.instruction.file, str(command.instruction.stage)),
        )


def _repeated(project: Project) -> Iterator[Finding]:
    """The same install in two stages, neither of which is FROM the other."""
    first: dict[tuple[str, str, str, bool], Site] = {}
    for site in project.sites:
        text = " ".join(site.install.command_text.split())
        key = (site.install.manager, text, site.source, site.production)
        before = first.setdefault(key, site)
        if before is site or before.stage in chain(project.simulation, site.stage):
            continue
        command = site.run.command
        yield make_finding(
            "cache-install-repeated",
            message=(
                f"line {command.instruction.line} installs what line {before.run.command.instruction.line} installs in "
                "another stage."
            ),
            location=dockerfile_line(command),
            places=(dockerfile_line(command), dockerfile_line(before.run.command)),
            evidence=Evidence.DERIVED,
            identity=(command.instruction.file, text, posixpath.join(site.source, ".")),
        )
