"""External volumes that are not there, have no name or are managed by another file; projects without a name.

In: a `Setup`. Out: findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgscan.diff import Edit
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.compose.read import normal_name
from imgscan.project.compose.records import ComposeProject, Volume
from imgscan.project.data.creation import creates, creation_edits
from imgscan.project.data.places import in_compose
from imgscan.project.data.volumes import data_volumes
from imgscan.project.mend import patch_of
from imgscan.project.mendfiles import patch_of_files
from imgscan.project.setup import Setup
from imgscan.rulebook import make_finding


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings on external volumes that a service uses, then on names of projects."""
    seen: set[tuple[str, str]] = set()
    for compose in setup.composes:
        used = {mount.source for service in compose.services.values() for mount in service.mounts}
        for volume in compose.volumes.values():
            key = (volume.at.file, volume.name)
            if volume.external and volume.name in used and key not in seen:
                seen.add(key)
                yield from _external(setup, compose, volume)
    yield from _project_names(setup)


def _external(setup: Setup, compose: ComposeProject, volume: Volume) -> Iterator[Finding]:
    others = list(_managers(setup, volume))
    if volume.named is None:
        yield _unnamed(setup, compose, volume, others)
    made = any(other.services and declared.real_name == volume.real_name for other, declared in others)
    if volume.real_name is not None and not made and not creates(setup, volume.real_name):
        yield _not_created(setup, volume, others)
    for other, declared in others:
        yield _managed_elsewhere(volume, other, declared)


def _managers(setup: Setup, volume: Volume) -> Iterator[tuple[ComposeProject, Volume]]:
    """Other compose files that declare the same volume as their own: by its name on the engine, or by its key in a file
    without services, which can be there for nothing else."""
    seen: set[tuple[str, str]] = set()
    for compose in setup.composes:
        for other in compose.volumes.values():
            if other.external or other.at.file == volume.at.file or (other.at.file, other.name) in seen:
                continue
            same = other.real_name is not None and other.real_name == volume.real_name
            if same or (not compose.services and other.name == volume.name):
                seen.add((other.at.file, other.name))
                yield compose, other


def _unnamed(
    setup: Setup, compose: ComposeProject, volume: Volume, others: list[tuple[ComposeProject, Volume]]
) -> Finding:
    elsewhere = next((other for _, other in others if other.named is not None and other.real_name != volume.name), None)
    name = (elsewhere.real_name if elsewhere is not None else None) or volume.name
    miss = (
        f", but {elsewhere.at.file} names it {elsewhere.real_name}: the two do not meet"
        if elsewhere is not None
        else ""
    )
    return make_finding(
        "data-external-unnamed",
        message=f"the external volume {volume.name} has no `name:`: compose looks for a volume called "
        f"{volume.name}{miss}.",
        location=in_compose(volume.at),
        evidence=Evidence.DERIVED,
        identity=(volume.at.file, volume.name),
        severity=Severity.HIGH if elsewhere is not None else None,
        fix=Fix(
            text=f"Write `name: {name}` below `external: true` of {volume.name}.",
            patch=_name_patch(setup, volume, name),
        ),
    )


def _name_patch(setup: Setup, volume: Volume, name: str) -> str | None:
    text = setup.tree.text(volume.at.file) or ""
    written = text[volume.at.start : volume.at.end]
    found = re.search(
        r"\n(?P<indent>[ ]+)external:[ ]*true[ ]*(?:#[^\n]*)?(?=\r?\n|$)",
        written + text[volume.at.end :].split("\n", 1)[0],
    )
    if found is None or found.start() > len(written):
        return None
    at = volume.at.start + found.end()
    line_end = "\r\n" if "\r\n" in text else "\n"
    own = [Edit(start=at, end=at, text=f"{line_end}{found['indent']}name: {name}")]
    if creates(setup, name):
        return patch_of(setup, volume.at.file, own)
    edits, new = creation_edits(setup, name)
    return patch_of_files(setup, {**edits, volume.at.file: own}, new)


def _not_created(setup: Setup, volume: Volume, others: list[tuple[ComposeProject, Volume]]) -> Finding:
    name = volume.real_name or volume.name
    idle = next((compose for compose, _ in others if not compose.services), None)
    note = f" {idle.files[0]} declares it, but has no service, so `up` with that file creates nothing." if idle else ""
    edits, new = creation_edits(setup, name)
    return make_finding(
        "data-external-not-created",
        message=f"nothing in the project creates the external volume {name}: where it is not there already, `up` "
        f"ends with 'external volume not found'.{note}",
        location=in_compose(volume.at),
        evidence=Evidence.DERIVED,
        identity=(volume.at.file, volume.name),
        fix=Fix(
            text=f"Run `docker volume create {name}` in the script that starts the containers, before `up`.",
            patch=patch_of_files(setup, edits, new) if edits or new else None,
        ),
    )


def _managed_elsewhere(volume: Volume, compose: ComposeProject, other: Volume) -> Finding:
    same = other.real_name == volume.real_name
    what = (
        f"`down -v` with {other.at.file} deletes the volume that {volume.at.file} relies on"
        if same and compose.services
        else f"it has no service and creates nothing by itself; used together with {volume.at.file}, one of the "
        "two wins"
    )
    return make_finding(
        "data-volume-managed-elsewhere",
        message=f"{other.at.file} declares {other.name} ({other.real_name or other.name}) without `external: true`: "
        f"{what}.",
        location=in_compose(other.at),
        evidence=Evidence.DERIVED,
        identity=(other.at.file, other.name, volume.at.file),
        severity=None if same and compose.services else Severity.MEDIUM,
        fix=Fix(
            text=f"Remove {other.name} from {other.at.file}, or make it external there too, and create the volume "
            f"with `docker volume create {other.real_name or other.name}`."
        ),
    )


def _project_names(setup: Setup) -> Iterator[Finding]:
    seen: set[str] = set()
    for stateful, volume in data_volumes(setup):
        compose = stateful.compose
        base = compose.files[0]
        if compose.name is not None or volume.named is not None or volume.external or base in seen:
            continue
        seen.add(base)
        folder = compose.directory.rpartition("/")[2] or setup.tree.root.resolve().name
        name = normal_name(folder) or "app"
        yield make_finding(
            "data-project-name",
            message=f"{base} has no `name:`: the volume {volume.name} of {stateful.service.name} is called after the "
            "folder that the file lies in.",
            location=in_compose(volume.at),
            evidence=Evidence.ABSENT,
            identity=(base,),
            fix=Fix(
                text=f"Write `name: {name}` at the top of {base}; with the folder's present name the present volumes "
                "stay.",
                patch=_project_patch(setup, base, name),
            ),
        )


def _project_patch(setup: Setup, base: str, name: str) -> str | None:
    """The name before the first key, after comments at the top."""
    text = setup.tree.text(base) or ""
    found = re.search(r"^[A-Za-z_x\"'][^\n]*:", text, re.M)
    if found is None or not name:
        return None
    line_end = "\r\n" if "\r\n" in text else "\n"
    return patch_of(setup, base, [Edit(start=found.start(), end=found.start(), text=f"name: {name}{line_end}")])
