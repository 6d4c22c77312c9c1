"""The Dockerfiles that `lint` checks: the one of the context, or those that the compose files build, each with its own
context; what the search of them finds, with paths from the folder that was named."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from imgscan.assess import Project, configured_findings
from imgscan.cli.session import Session, open_project, patched_findings
from imgscan.contextscan import scan_context
from imgscan.coverage import join_coverage
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.dockerfile.locate import find_default
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import Coverage, Finding, Location, Place, Skipped
from imgscan.progress import Progress
from imgscan.project.compose.records import Build
from imgscan.project.setup import Setup
from imgscan.rulebook import fingerprint

_MOST_BUILDS: Final = 50


@frozen
class Projects:
    """Dockerfiles with their contexts, and those that could not be opened."""

    projects: tuple[Project, ...]
    skipped: tuple[Skipped, ...] = ()


@frozen
class Searched:
    """What Dockerfiles and contexts say; `hits` are their secrets, `paths` the files that were searched for some."""

    findings: tuple[Finding, ...]
    hits: tuple[LocatedHit, ...]
    paths: frozenset[str]
    skipped: tuple[Skipped, ...]
    coverage: Coverage | None


def open_projects(params: Mapping[str, Any], setup: Setup, progress: Progress) -> Projects:
    """The Dockerfile of the context, else those of the compose files. Raises InputError if there is neither."""
    root: Path = params["context"]
    if params["file"] is not None or find_default(root) is not None or not setup.composes:
        return Projects(projects=(open_project(params, progress),))
    opened: list[Project] = []
    skipped = list(_elsewhere(setup))
    for context, dockerfile, target, args in _builds(setup):
        own = {**params, "context": root / context, "file": root / dockerfile, "target": target}
        own["build_args"] = (*args.items(), *params["build_args"])
        try:
            project = open_project(own, progress, name=dockerfile)
        except InputError as error:
            skipped.append(Skipped(where=dockerfile, reason=str(error)))
            continue
        opened.append(replace(project, folder=context))
    return Projects(projects=tuple(opened), skipped=tuple(skipped))


def _builds(setup: Setup) -> Iterator[tuple[str, str, str | None, dict[str, str]]]:
    """Context, Dockerfile, target and arguments of every build of the compose files, each once."""
    seen: dict[tuple[str, str, str | None], dict[str, str]] = {}
    for project in setup.composes:
        for service in project.services.values():
            build = service.build
            if build is None or build.context is None or build.dockerfile is None:
                continue
            context = "" if build.context == "." else build.context
            seen.setdefault((context, build.dockerfile, build.target), _args(build))
    for (context, dockerfile, target), args in list(seen.items())[:_MOST_BUILDS]:
        yield context, dockerfile, target, args


def _elsewhere(setup: Setup) -> Iterator[Skipped]:
    """The builds whose context or Dockerfile is not in the folder that was named."""
    for project in setup.composes:
        for service in project.services.values():
            build = service.build
            if build is not None and (build.context is None or build.dockerfile is None):
                reason = f"the build of {service.name} takes files from elsewhere"
                yield Skipped(where=f"{build.at.file}:{build.at.line}", reason=reason)


def _args(build: Build) -> dict[str, str]:
    return {name: var.value.value for name, var in build.args.items() if var.value is not None and not var.value.unset}


def search_projects(projects: Projects, session: Session) -> Searched:
    """Search every context for secrets and ask the detectors of Dockerfile and context."""
    findings: list[Finding] = []
    hits: list[LocatedHit] = []
    skipped: list[Skipped] = []
    coverages: list[Coverage] = []
    for project in projects.projects:
        folder = project.folder
        session.progress.stage(f"searching {len(project.context.files)} files of the build context")
        session.learn_values(project.build_args)
        scan = scan_context(project.context, project.dockerfile, session.scanner, session.progress)
        session.learn(scan.hits)
        found = (*patched_findings(project, (), session.redactor), *configured_findings(project))
        findings += [_from(folder, finding) for finding in found]
        hits += [replace(hit, location=_moved(folder, hit.location)) for hit in scan.hits]
        skipped += [replace(item, where=posixpath.join(folder, item.where)) for item in project.context.skipped]
        coverages.append(scan.coverage)
    return Searched(
        findings=tuple(findings),
        hits=tuple(hits),
        paths=frozenset(posixpath.join(p.folder, file.path) for p in projects.projects for file in p.context.files),
        skipped=tuple(skipped),
        coverage=join_coverage(coverages) if coverages else None,
    )


def _from(folder: str, finding: Finding) -> Finding:
    """A finding with the paths of its context as they are from the folder that was named. Equal findings of two
    contexts are two."""
    if not folder:
        return finding
    return replace(
        finding,
        fingerprint=fingerprint(finding.rule_id, folder, finding.fingerprint),
        location=_moved(folder, finding.location),
        places=tuple(_moved(folder, place) for place in finding.places),
    )


def _moved(folder: str, location: Location) -> Location:
    if not folder or location.place is not Place.CONTEXT or location.path is None:
        return location
    return replace(location, path=posixpath.join(folder, location.path))
