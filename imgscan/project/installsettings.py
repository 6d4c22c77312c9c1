"""Files that an install reads beside manifest and lockfile: `tech-install-settings-missing`.

In: the project. Out: findings on the install that runs without them: patches that the settings name, .pnpmfile.cjs,
settings in .npmrc.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import Presence
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.pnpmfacts import npmrc_of, settings_of
from imgscan.project.sites import Project, Site
from imgscan.rulebook import make_finding

_NAMED: Final = 6
_SHAPES_TREE: Final = frozenset(
    {
        *(
            "node-linker",
            "hoist",
            "hoist-pattern",
            "public-hoist-pattern",
            "shamefully-hoist",
            "inject-workspace-packages",
        ),
        *("link-workspace-packages", "prefer-workspace-packages", "shared-workspace-lockfile", "auto-install-peers"),
        *(
            "dedupe-peer-dependents",
            "strict-peer-dependencies",
            "legacy-peer-deps",
            "install-strategy",
            "force-legacy-deploy",
        ),
    }
)
"""Settings of .npmrc without which another tree is installed."""


def detect_install_settings(project: Project) -> Iterator[Finding]:
    """The findings, one for each install."""
    for site in project.sites:
        if site.install.manager not in ("pnpm", "npm"):
            continue
        root = site.workspace.root if site.workspace else site.source
        patches = [path for path in _patches(project, site) if _is_missing(project, site, root, path)]
        if patches:
            yield _finding(site, root, patches, "ends there: the file does not exist", None)
        others = [path for path in _shaping(project, site, root) if _is_missing(project, site, root, path)]
        if others:
            yield _finding(site, root, others, "installs another tree than on the host", Severity.MEDIUM)


def _patches(project: Project, site: Site) -> Iterator[str]:
    """The patch files that pnpm applies, from the workspace's root."""
    if site.install.manager != "pnpm":
        return
    package = site.workspace.package if site.workspace else project.packages.get(site.source)
    settings = settings_of(project, site.workspace) if site.workspace else (package.pnpm if package else {})
    patched = settings.get("patchedDependencies")
    for path in patched.values() if isinstance(patched, dict) else ():
        if isinstance(path, str):
            yield posixpath.normpath(path)


def _shaping(project: Project, site: Site, root: str) -> Iterator[str]:
    if site.install.manager == "pnpm":
        yield ".pnpmfile.cjs"
    if not _SHAPES_TREE.isdisjoint(npmrc_of(project, root)):
        yield ".npmrc"


def _is_missing(project: Project, site: Site, root: str, path: str) -> bool:
    """Whether a file of the context surely is not there when the install runs."""
    if posixpath.join(root, path) not in project.simulation.index.known:
        return False
    where = posixpath.normpath(posixpath.join(site.root or site.folder, path))
    return project.at(site.stage, where, run=site.run).presence is Presence.NO


def _finding(site: Site, root: str, paths: list[str], what: str, severity: Severity | None) -> Finding:
    command = site.run.command
    line = command.instruction.line
    whole = [posixpath.join(root, path) for path in paths]
    more = f" and {len(whole) - _NAMED} more" if len(whole) > _NAMED else ""
    return make_finding(
        "tech-install-settings-missing",
        message=(
            f"{', '.join(whole[:_NAMED])}{more} never {'reaches' if len(whole) == 1 else 'reach'} the stage of line "
            f"{line}, whose {site.install.manager} install {what}."
        ),
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, *sorted(whole)),
        severity=severity,
        fix=Fix(text="; ".join(_copy(root, path) for path in paths[:_NAMED]) + f" before line {line}."),
    )


def _copy(root: str, path: str) -> str:
    folder = posixpath.dirname(path)
    return f"`COPY {posixpath.join(root, path)} {folder + '/' if folder else './'}`"
