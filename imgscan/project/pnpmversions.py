"""Package managers of the wrong version: `tech-manager-version-differs`, `tech-manager-unpinned`,
`tech-manager-needs-newer-node`, and what pnpm 11 no longer does by itself: `tech-build-scripts-unapproved`.

In: the project. Out: findings on the RUN that installs the manager, or with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.stagesim import chain
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.dockerfilepatch import replace_word
from imgscan.project.manifests import Package
from imgscan.project.pnpmfacts import (
    Installed,
    installed_managers,
    lock_text,
    pnpm_version,
    settings_of,
    version_of,
)
from imgscan.project.sites import Project, Site, node_version
from imgscan.rulebook import load_yaml, make_finding, rules_dir

_NEEDS_NODE: Final = {10: (18, 12), 11: (22, 13)}
"""The oldest Node that a major version of pnpm runs on; pnpm 12 is a program of its own."""
_STRICT_BUILDS: Final = 11
_APPROVALS: Final = ("onlyBuiltDependencies", "ignoredBuiltDependencies", "neverBuiltDependencies", "allowBuilds")
_NAMED: Final = 6


def detect_managers(project: Project) -> Iterator[Finding]:
    """The findings, stage by stage, each RUN once."""
    seen: set[tuple[int, str]] = set()
    declared = _declaring(project)
    for view in project.simulation.stages:
        if view.stage.index not in project.simulation.needed:
            continue
        node = node_version(project.simulation.stages[list(chain(project.simulation, view.stage.index))[-1]].base)
        for installed in installed_managers(project, view.stage.index):
            key = (installed.run.command.start, installed.manager)
            if key in seen:
                continue
            seen.add(key)
            yield from _pinning(project, installed, declared)
            yield from _needs_node(installed, node)
    yield from _unapproved_builds(project)


def _declaring(project: Project) -> Package | None:
    """The package whose `packageManager` counts: that of the first install's workspace root, or its own."""
    for site in project.sites:
        package = site.workspace.package if site.workspace else project.packages.get(site.source)
        if package is not None and package.package_manager:
            return package
    return None


def _pinning(project: Project, installed: Installed, declaring: Package | None) -> Iterator[Finding]:
    manager, version = installed.manager, installed.version
    command = installed.run.command
    line = command.instruction.line
    declared = declaring.package_manager if declaring else ""
    mine = declared.removeprefix(f"{manager}@") if declared.startswith(f"{manager}@") else ""
    if version is None:
        return
    if version_of(version) is None or len(version_of(version) or ()) < 3:
        if mine and installed.by == "corepack":
            return  # without a version corepack takes the declared one
        yield make_finding(
            "tech-manager-unpinned",
            message=f"line {line} installs {manager} {version or 'of whatever version is the newest'}.",
            location=dockerfile_line(command),
            evidence=Evidence.PATTERN,
            identity=(command.instruction.file, manager),
            severity=Severity.LOW if mine else None,
            fix=Fix(
                text=f"Write the exact version in line {line}: `{manager}@{mine or 'X.Y.Z'}`.",
                patch=replace_word(project.dockerfile, command, _written(manager, version), declared) if mine else None,
            ),
        )
        return
    if mine and declaring is not None and version_of(mine) != version_of(version):
        yield make_finding(
            "tech-manager-version-differs",
            message=(
                f"line {line} installs {manager} {version}, and {declaring.manifest} declares {declared}: {manager} "
                "downloads the other one during the build, or refuses."
            ),
            location=dockerfile_line(command),
            evidence=Evidence.DERIVED,
            identity=(command.instruction.file, manager),
            fix=Fix(
                text=f"Install {declared} in line {line}, or declare {manager}@{version} in {declaring.manifest}.",
                patch=replace_word(project.dockerfile, command, f"{manager}@{version}", declared),
            ),
        )


def _written(manager: str, version: str) -> str:
    return f"{manager}@{version}" if version else manager


def _needs_node(installed: Installed, node: tuple[int, ...] | None) -> Iterator[Finding]:
    version = version_of(installed.version)
    if installed.manager != "pnpm" or version is None or node is None:
        return
    needed = _NEEDS_NODE.get(version[0])
    # Of `node:22` only the major version is known, and it is the newest of them.
    if needed is None or node[0] > needed[0] or (node[0] == needed[0] and (len(node) < 2 or node[1] >= needed[1])):
        return
    command = installed.run.command
    oldest, there = ".".join(map(str, needed)), ".".join(map(str, node))
    yield make_finding(
        "tech-manager-needs-newer-node",
        message=f"line {command.instruction.line} installs pnpm {installed.version}, which needs Node {oldest}; the "
        f"base image has {there}.",
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, str(version[0]), str(node[0])),
        fix=Fix(text=f"Start from an image of Node {oldest} or later, or install an older pnpm."),
    )


def _unapproved_builds(project: Project) -> Iterator[Finding]:
    seen: set[str] = set()
    for site in project.sites:
        root = site.workspace.root if site.workspace else site.source
        if site.install.manager != "pnpm" or root in seen or "fetch" in site.install.command_text.split():
            continue
        seen.add(root)
        package = site.workspace.package if site.workspace else project.packages.get(site.source)
        version = pnpm_version(project, site.stage, package)
        if version is None or version[0] < _STRICT_BUILDS or "--ignore-scripts" in site.install.command_text:
            continue
        settings = settings_of(project, site.workspace) if site.workspace else (package.pnpm if package else {})
        names = _building(lock_text(project, root)) - _approved(settings)
        if (
            names
            and settings.get("dangerouslyAllowAllBuilds") is not True
            and settings.get("strictDepBuilds") is not False
        ):
            yield _unapproved(site, sorted(names), version)


def _unapproved(site: Site, names: list[str], version: tuple[int, ...]) -> Finding:
    command = site.run.command
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = ", ".join(names[:_NAMED]) + more
    return make_finding(
        "tech-build-scripts-unapproved",
        message=(
            f"{listed} {'has' if len(names) == 1 else 'have'} build scripts that nothing approves: under pnpm "
            f"{version[0]} line {command.instruction.line} ends with ERR_PNPM_IGNORED_BUILDS."
        ),
        location=dockerfile_line(command),
        evidence=Evidence.PATTERN,
        identity=(command.instruction.file, *names),
        fix=Fix(
            text=f"Say in pnpm-workspace.yaml what may build: `onlyBuiltDependencies: [{', '.join(names[:_NAMED])}]`."
        ),
    )


def _approved(settings: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(name) for key in _APPROVALS for name in _names(settings.get(key)))


def _names(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, dict)) else []


def _building(lock: str) -> frozenset[str]:
    """The packages of a lockfile that are known to build something when they are installed."""
    return frozenset(match[1] for match in _building_key().finditer(lock))


@cache
def _building_key() -> re.Pattern[str]:
    names = load_yaml(rules_dir() / "tech.yml")["building_packages"]
    return re.compile(rf"^  ['\"]?/?({'|'.join(map(re.escape, names))})[@/]\d", re.MULTILINE)
