"""Lockfiles that do not belong to the manifests: `tech-lockfile-drift`.

In: the project's installs. Out: findings, each by comparing the lockfile's own record of what was asked for with the
manifests that are there when the install runs. No network, no resolving.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from imgscan.detect.places import dockerfile_line
from imgscan.model import Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.manifests import Package, Workspace
from imgscan.project.pnpmfacts import LOCKFILE, lock_head, npmrc_of, settings_of
from imgscan.project.sites import Project, Site, frozen_by_environment
from imgscan.rulebook import make_finding

_NAMED: Final = 5
_NPM_LOCKS: Final = ("package-lock.json", "npm-shrinkwrap.json")
_NPM_LOCK_BYTES: Final = 16 << 20
_WITHOUT_LOCK: Final = frozenset({"--no-lockfile", "--lockfile=false", "--no-package-lock", "--package-lock=false"})
_NO_MEMBERS: Final = frozenset({"test", "tests"})
"""Folders in which pnpm looks for no members, whatever the globs say (its workspace.find-packages)."""
_KINDS: Final = ("dependencies", "devDependencies", "optionalDependencies")


def detect_drift(project: Project) -> Iterator[Finding]:
    """The findings, one for each lockfile and install."""
    for site in project.sites:
        words = site.install.command_text.split()
        if not _WITHOUT_LOCK.isdisjoint(words):
            continue
        if site.install.manager == "pnpm" and "fetch" not in words:
            yield from _settings(project, site)
            yield from _pnpm(project, site)
        elif site.install.manager == "npm" and site.install.frozen:
            yield from _npm(project, site)


def _settings(project: Project, site: Site) -> Iterator[Finding]:
    """`injectWorkspacePackages` is recorded in the lockfile, and a frozen install insists on it."""
    workspace = site.workspace
    if workspace is None or workspace.manager != "pnpm" or not _is_frozen(site):
        return
    wanted = settings_of(project, workspace).get("injectWorkspacePackages") is True
    head = lock_head(project, workspace.root)
    recorded = head.get("settings")
    if not wanted or not isinstance(recorded, dict) or recorded.get("injectWorkspacePackages") is True:
        return
    path = posixpath.join(workspace.root, LOCKFILE)
    yield _finding(
        site,
        path,
        f"{workspace.file} sets injectWorkspacePackages and {path} was made without it: the frozen install in line "
        f"{site.run.command.instruction.line} ends with ERR_PNPM_LOCKFILE_CONFIG_MISMATCH.",
        ("settings",),
    )


def _pnpm(project: Project, site: Site) -> Iterator[Finding]:
    root = site.workspace.root if site.workspace else site.source
    if posixpath.join(root, ".pnpmfile.cjs") in project.simulation.index.known:
        return  # rewrites manifests before they are compared
    importers = lock_head(project, root).get("importers")
    if not isinstance(importers, dict) or not _uses(project, site, posixpath.join(root, LOCKFILE)):
        return
    free = _overridden(project, site)
    wrong = [
        f"{package.manifest} {what}"
        for package in _packages(project, site)
        for what in _differences(package, importers, root, free)
    ]
    if not wrong:
        return
    path, line = posixpath.join(root, LOCKFILE), site.run.command.instruction.line
    what = (
        f"the frozen install in line {line} ends with ERR_PNPM_OUTDATED_LOCKFILE"
        if _is_frozen(site)
        else f"line {line} resolves again, to whatever versions there are that day"
    )
    yield _finding(
        site, path, f"{path} does not belong to the manifests: {_listed(wrong)}; {what}.", ("importers", root)
    )


def _packages(project: Project, site: Site) -> Iterator[Package]:
    """The packages whose manifests are there when the install runs."""
    workspace = site.workspace
    if workspace is None:
        alone = project.packages.get(site.source)
        yield from [alone] if alone else []
        return
    every = [*([workspace.package] if workspace.package else []), *_members(project, workspace)]
    for package in every if site.root else ():
        inside = posixpath.relpath(package.manifest, workspace.root or ".")
        where = posixpath.normpath(posixpath.join(site.root, inside))
        if project.at(site.stage, where, run=site.run).source == package.manifest:
            yield package


def _members(project: Project, workspace: Workspace) -> Iterator[Package]:
    """The members that the root's lockfile speaks of."""
    settings = settings_of(project, workspace) if workspace.manager == "pnpm" else {}
    apart = npmrc_of(project, workspace.root).get("shared-workspace-lockfile") == "false"
    if apart or settings.get("sharedWorkspaceLockfile") is False:
        return
    for member in workspace.members.values():
        if workspace.manager != "pnpm" or _NO_MEMBERS.isdisjoint(member.folder.split("/")):
            yield member


def _differences(package: Package, importers: Mapping[Any, Any], root: str, free: frozenset[str]) -> Iterator[str]:
    importer = importers.get(posixpath.relpath(package.folder or ".", root or "."))
    wanted = {**package.dev_dependencies, **package.dependencies}
    if importer is None:
        if wanted:
            yield "is not in it"
        return
    recorded = _specifiers(importer)
    twice = package.dependencies.keys() & package.dev_dependencies.keys()
    for name, specifier in wanted.items():
        if name in free or name in twice or specifier.startswith("link:"):
            continue
        if name not in recorded:
            yield f"asks for {name}, which is missing"
        elif recorded[name] != specifier:
            yield f"asks for {name} {specifier}, recorded is {recorded[name]}"
    for name in recorded.keys() - wanted.keys() - package.peer_dependencies.keys() - free:
        yield f"no longer asks for {name}"


def _specifiers(importer: object) -> dict[str, str]:
    """What was asked for, by name: the format of lockfile version 6 and later, and that of version 5."""
    if not isinstance(importer, dict):
        return {}
    old = importer.get("specifiers")
    if isinstance(old, dict):
        return {str(name): str(value) for name, value in old.items()}
    found: dict[str, str] = {}
    for kind in _KINDS:
        entries = importer.get(kind)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and "specifier" in entry:
                found[str(name)] = str(entry["specifier"])
    return found


def _overridden(project: Project, site: Site) -> frozenset[str]:
    """The packages whose range something else than the manifest decides: `overrides`, by their selectors' names."""
    workspace = site.workspace
    package = workspace.package if workspace else project.packages.get(site.source)
    settings = settings_of(project, workspace) if workspace else (package.pnpm if package else {})
    selectors = [name for key in ("overrides", "resolutions") for name in _keys(settings.get(key))]
    parts = (selector.rpartition(">")[2].strip().rpartition("/**/")[2] for selector in selectors)
    return frozenset(part[:1] + part[1:].partition("@")[0] for part in parts)


def _keys(value: object) -> list[str]:
    return [str(key) for key in value] if isinstance(value, dict) else []


def _npm(project: Project, site: Site) -> Iterator[Finding]:
    """`npm ci` refuses a lockfile that lacks what a manifest asks for."""
    root = site.workspace.root if site.workspace else site.source
    path = next((p for p in (posixpath.join(root, n) for n in _NPM_LOCKS) if p in project.simulation.index.known), None)
    there = _npm_packages(project.reader.text(path, _NPM_LOCK_BYTES)) if path else None
    if path is None or there is None or not _uses(project, site, path):
        return
    missing = [
        f"{package.manifest} asks for {name}"
        for package in _packages(project, site)
        for name in sorted({**package.dev_dependencies, **package.dependencies})
        if not _is_locked(name, package, root, there)
    ]
    if not missing:
        return
    line = site.run.command.instruction.line
    what = f"{path} lacks what the manifests ask for: {_listed(missing)}; line {line} (npm ci) ends there."
    yield _finding(site, path, what, (root,))


def _npm_packages(text: str | None) -> frozenset[str] | None:
    try:
        data = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    packages = data.get("packages") if isinstance(data, dict) else None
    return frozenset(map(str, packages)) if isinstance(packages, dict) and "" in packages else None


def _is_locked(name: str, package: Package, root: str, there: frozenset[str]) -> bool:
    folder = posixpath.relpath(package.folder or ".", root or ".")
    own = "" if folder == "." else f"{folder}/"
    return f"node_modules/{name}" in there or f"{own}node_modules/{name}" in there


def _uses(project: Project, site: Site, path: str) -> bool:
    """Whether the install sees that lockfile of the context, and not one that a step before has made."""
    where = posixpath.join(site.root or site.folder, posixpath.basename(path))
    return project.at(site.stage, where, run=site.run).source == path


def _is_frozen(site: Site) -> bool:
    return site.install.frozen or frozen_by_environment(site)


def _finding(site: Site, path: str, message: str, identity: tuple[str, ...]) -> Finding:
    command = site.run.command
    again = "pnpm install" if site.install.manager == "pnpm" else "npm install"
    return make_finding(
        "tech-lockfile-drift",
        message=message,
        location=dockerfile_line(command),
        places=(dockerfile_line(command), Location(place=Place.CONTEXT, path=path)),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, path, *identity),
        severity=None if _is_frozen(site) else Severity.MEDIUM,
        fix=Fix(text=f"Run `{again}` beside {path} and commit what it changes there."),
    )


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more
