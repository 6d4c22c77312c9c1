"""The JavaScript installs of a Dockerfile, each with the context folder and the workspace it belongs to. Pure.

In: the simulated stages and the workspaces. Out: `Site`s.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final

from imgscan.detect.stages.producers import located_installs
from imgscan.detect.stages.records import Found, Presence, RunStep, Simulation
from imgscan.detect.stages.stagesim import chain, find, transfers_before
from imgscan.detect.stages.walk import MAX_COMMANDS, relative
from imgscan.dockerfile.install import Ecosystem, Install
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.contextread import ContextReader
from imgscan.project.manifests import Package, Workspace, load_packages, load_workspaces

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile

_MAX_SITES: Final = 100
_NODE_TAG: Final = lazy_re(r"(?:docker\.io/)?(?:library/)?node(?::(?P<tag>[\w.-]+))?(?:@.*)?")
_NODE_VERSION: Final = lazy_re(r"(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?:-|$)")
_PNPM_PRODUCTION: Final = lazy_re(r"\s(?:--prod|-P|--production)(?:=true)?(?=\s|$)")
_EVERYTHING: Final = lazy_re(
    r"--include[= ]dev|--production[= ]false|--prod[= ]false|--omit[= ](?:optional|peer)\b(?!.*dev)"
)


@frozen
class Site:
    """An install. `folder`: where it runs in the stage; `source`: the context folder its manifest or lockfile is from;
    `root`: where the workspace's root is in the stage."""

    run: RunStep
    install: Install
    folder: str
    source: str
    workspace: Workspace | None
    root: str

    @property
    def stage(self) -> int:
        """The index of its stage."""
        return self.run.command.instruction.stage

    @property
    def production(self) -> bool:
        """Whether development dependencies are left out. NODE_ENV says so to npm and yarn 1, not to pnpm."""
        text = self.install.command_text
        if self.install.manager == "pnpm":
            return _PNPM_PRODUCTION.search(text) is not None
        if _EVERYTHING.search(text):
            return False
        by_environment = self.run.scope.get("NODE_ENV") == "production" and self.install.manager == "npm"
        return self.install.production or by_environment


def node_version(image: str) -> tuple[int, ...] | None:
    """The version of Node in an official image, as far as its tag says; None for other images and other tags."""
    found = _NODE_TAG.fullmatch(image)
    match = _NODE_VERSION.match(found["tag"] or "") if found else None
    return tuple(int(part) for part in match.groups() if part is not None) if match else None


def is_newest_node(image: str) -> bool:
    """Whether an official image is whatever Node is the newest."""
    found = _NODE_TAG.fullmatch(image)
    return found is not None and (found["tag"] or "latest").split("-")[0] in ("latest", "current")


def frozen_by_environment(site: Site) -> bool:
    """pnpm and yarn 2 hold on to the lockfile where CI is set, unless told otherwise."""
    in_ci = site.run.scope.get("CI", "").lower() not in ("", "0", "false")
    return (
        in_ci and site.install.manager in ("pnpm", "yarn") and "--no-frozen-lockfile" not in site.install.command_text
    )


def _calls_node(run: RunStep) -> bool:
    return any(located.install.ecosystem is Ecosystem.NODE for located in located_installs(run.command, run.cwd))


class Project:
    """What the rules ask about: the simulation, the packages and workspaces, the installs. With the `dockerfile` at
    hand findings get patches."""

    def __init__(self, simulation: Simulation, context: BuildContext, dockerfile: Dockerfile | None = None) -> None:
        self.simulation = simulation
        self.dockerfile = dockerfile
        self.context = context
        self.reader = ContextReader(context)
        self.packages: Mapping[str, Package] = load_packages(context, self.reader)
        self.workspaces: Sequence[Workspace] = load_workspaces(context, self.reader, self.packages)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The installs of the stages that the target needs, in the order written."""
        found = (
            site
            for view in self.simulation.stages
            if view.stage.index in self.simulation.needed
            for run in islice((run for run in view.runs if _calls_node(run)), _MAX_SITES)
            for site in self._sites_of(run)
        )
        return tuple(islice(found, _MAX_SITES))

    def _sites_of(self, run: RunStep) -> Iterator[Site]:
        for located in located_installs(run.command, run.cwd):
            install, folder = located.install, located.folder
            if install.ecosystem is not Ecosystem.NODE or not install.manifests or folder is None:
                continue
            source = self._source_of(run, install, folder)
            if source is None:
                continue
            workspace = self.workspace_of(source)
            root = folder
            if workspace is not None and workspace.root != source:
                inside = posixpath.relpath(source or ".", workspace.root or ".")
                root = folder.removesuffix("/" + inside) if folder.endswith("/" + inside) else ""
            yield Site(run=run, install=install, folder=folder, source=source, workspace=workspace, root=root)

    def _source_of(self, run: RunStep, install: Install, folder: str) -> str | None:
        for name in ("package.json", *install.lockfiles):
            hit = self.at(run.command.instruction.stage, posixpath.join(folder, name), run=run)
            if hit.presence is Presence.YES and hit.source is not None:
                return posixpath.dirname(hit.source)
        return None

    def at(self, stage: int, path: str, *, before: int | None = None, run: RunStep | None = None) -> Found:
        """Whether a path is in a stage; see `stagesim.find`."""
        return find(self.simulation, stage, path, before=before, run=run)

    def workspace_of(self, folder: str) -> Workspace | None:
        """The workspace that a context folder is the root or a member of."""
        inner = [w for w in self.workspaces if folder == w.root or any(p.folder == folder for p in w.members.values())]
        return max(inner, key=lambda w: len(w.root), default=None)

    def providers(self, stage: int, before: int | None = None, hops: int = 8) -> tuple[Site, ...]:
        """The installs whose node_modules can be in a stage: its chain's own, and those of stages copied from."""
        limit = before if before is not None else MAX_COMMANDS + 1
        found: dict[tuple[int, str], Site] = {}
        stages = list(chain(self.simulation, stage))
        for site in self.sites:
            earlier = site.stage != stage or site.run.command.instruction.ordinal < limit
            if site.stage in stages and earlier:
                found[site.run.command.start, site.install.command_text] = site
        for transfer in transfers_before(self.simulation, stage, limit) if hops > 0 else ():
            if transfer.from_stage is None:
                continue
            for site in self.providers(transfer.from_stage, None, hops - 1):
                if "/node_modules" in transfer.source or relative(site.folder, transfer.source) is not None:
                    found[site.run.command.start, site.install.command_text] = site
        return tuple(found.values())

    def installs_in_chain(self, stage: int) -> bool:
        """Whether a stage or one it is FROM installs."""
        stages = list(chain(self.simulation, stage))
        return any(site.stage in stages for site in self.sites)
