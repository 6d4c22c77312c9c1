"""Volumes of data stores: managed by compose, missing, mounted beside the data, in the project's own folder.

In: a `Setup`. Out: findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity
from imgscan.project.compose.read import normal_name
from imgscan.project.compose.records import ServiceMount, Volume
from imgscan.project.data.creation import creation_edits
from imgscan.project.data.places import in_compose
from imgscan.project.data.stores import Stateful, stateful_services
from imgscan.project.data.storetable import within
from imgscan.project.mend import patch_of, replaced
from imgscan.project.mendfiles import patch_of_files
from imgscan.project.setup import Setup
from imgscan.rulebook import make_finding

_OLD_MOUNT: Final = "/var/lib/postgresql/data"
_NEW_MOUNT: Final = "/var/lib/postgresql"
_SINCE: Final = 18


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings, service by service."""
    managed: set[tuple[str, str]] = set()
    for stateful in stateful_services(setup):
        if stateful.repository == "postgres" and _refuses_to_start(stateful):
            yield _postgres_mount(setup, stateful)
        elif stateful.holder is None:
            yield from _without_volume(setup, stateful)
        elif stateful.holder.kind == "volume" and stateful.holder.source is None and stateful.records:
            yield _missing(stateful, "an anonymous volume")
    for stateful, volume in data_volumes(setup):
        key = (volume.at.file, volume.name)
        if not volume.external and key not in managed:
            managed.add(key)
            yield _managed(setup, stateful, volume)


def data_volumes(setup: Setup) -> Iterator[tuple[Stateful, Volume]]:
    """Named volumes that hold a store's data, or are meant to."""
    for stateful in stateful_services(setup):
        holder = stateful.meant
        volume = stateful.compose.volumes.get(holder.source or "") if holder and holder.kind == "volume" else None
        if volume is not None and stateful.kept:
            yield stateful, volume


def volume_name(setup: Setup, stateful: Stateful, volume: Volume) -> str:
    """The volume's name on the engine: that of the file, or the one that the project's folder gives it."""
    if volume.real_name is not None:
        return volume.real_name
    folder = stateful.compose.directory.rpartition("/")[2] or setup.tree.root.resolve().name
    return f"{normal_name(folder)}_{volume.name}"


def _managed(setup: Setup, stateful: Stateful, volume: Volume) -> Finding:
    name = volume_name(setup, stateful, volume)
    command = "docker compose" + "".join(f" -f {file}" for file in stateful.compose.files) + " down -v"
    return make_finding(
        "data-managed-volume",
        message=(
            f"the volume {volume.name} holds the data of {stateful.service.name} ({stateful.store.name}) and belongs "
            f"to compose: `{command}` deletes it without a question."
        ),
        location=in_compose(volume.at),
        evidence=Evidence.DERIVED,
        identity=(volume.at.file, volume.name),
        fix=Fix(
            text=f"Declare {volume.name} with `external: true` and `name: {name}` (the name it has now), and create "
            f"it with `docker volume create {name}` before `up`.",
            patch=_external_patch(setup, volume, name),
        ),
    )


def _external_patch(setup: Setup, volume: Volume, name: str) -> str | None:
    """`external` and `name` in the declaration, and the volume's creation. None where other keys stand there: compose
    refuses them beside `external`."""
    text = setup.tree.text(volume.at.file)
    if text is None:
        return None
    written = text[volume.at.start : volume.at.end]
    start = text.rfind("\n", 0, volume.at.start) + 1
    indent = text[start : volume.at.start]
    if indent.strip(" ") or "#" in written:
        return None
    found = re.fullmatch(
        rf"([\"']?{re.escape(volume.name)}[\"']?)\s*:?\s*(?:\{{\s*\}}|null|~)?(?P<name>\n\s+name:[^\n]*)?\s*", written
    )
    if found is None:
        return None
    # A key without a value may end before its colon.
    tail = re.match(r"[ \t]*:?[ \t]*", text[volume.at.end :])
    end = volume.at.end + (tail.end() if tail and not found["name"] else 0)
    inner = indent + "  "
    line_end = "\r\n" if "\r\n" in text else "\n"
    named = f"{inner}name: {name}"
    block = f"{found[1]}:{line_end}{inner}external: true{line_end}{named}"
    edits, new = creation_edits(setup, name)
    own = [Edit(start=volume.at.start, end=end, text=block)]
    return patch_of_files(setup, {**edits, volume.at.file: own}, new) if edits or new else None


def _without_volume(setup: Setup, stateful: Stateful) -> Iterator[Finding]:
    service = stateful.service
    if not stateful.kept or any(
        mount.kind == "tmpfs" and within(stateful.data, mount.target) for mount in service.mounts
    ):
        return
    if stateful.meant is not None and stateful.tag is not None:
        yield _misses(setup, stateful, stateful.meant)
    elif stateful.meant is None and (stateful.records or stateful.store.name == "Redis"):
        yield _missing(stateful, "an anonymous volume" if stateful.store.volumes else "the container itself")


def _misses(setup: Setup, stateful: Stateful, mount: ServiceMount) -> Finding:
    service = stateful.service
    inside = next(
        (volume for volume in stateful.store.volumes if volume != mount.target and within(volume, mount.target)), None
    )
    because = (
        f"the image declares the volume {inside} below it, which gets an anonymous volume"
        if inside
        else f"{stateful.store.name} writes to {stateful.data}"
    )
    edits = replaced(setup, mount.at, f":{mount.target}", f":{stateful.data}")
    return make_finding(
        "data-mount-misses",
        message=f"{service.name} mounts {mount.source} at {mount.target}, but {because}: the data are not in the "
        "volume.",
        location=in_compose(mount.at),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name, mount.target),
        fix=Fix(
            text=f"Mount {mount.source} at {stateful.data}. Save what the present container holds first: `docker "
            f"compose cp {service.name}:{stateful.data} .`.",
            patch=patch_of(setup, mount.at.file, edits) if len(edits) == 1 else None,
        ),
    )


def _missing(stateful: Stateful, into: str) -> Finding:
    """Low for what can be made again; that Redis has been told to keep it is why that is said at all."""
    service = stateful.service
    nothing = f"({stateful.store.name}) mounts nothing at {stateful.data}: its data go to {into}"
    if stateful.alike:
        nothing = f"({stateful.store.name}, by its image's name) mounts no volume: its data go to {into}"
    return make_finding(
        "data-volume-missing",
        message=f"{service.name} {nothing}, which the next `down` and `up` replace with an empty one.",
        location=in_compose(service.at),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name),
        severity=None if stateful.records else Severity.LOW,
        confidence=Confidence.MEDIUM if stateful.alike else None,
        fix=Fix(
            text=f"Mount a named volume: `{service.name}_data:{_mount_of(stateful)}` under `volumes:` of "
            f"{service.name}, declared `external: true` with a name at the top level. If the data may be lost, say so: "
            "`tmpfs:` at that path."
        ),
    )


def _mount_of(stateful: Stateful) -> str:
    """Where a volume belongs: the VOLUME of the image that the data lie in, else the path of the data."""
    return next((path for path in stateful.store.volumes if within(stateful.data, path)), stateful.data)


def _refuses_to_start(stateful: Stateful) -> bool:
    return (
        stateful.major is not None
        and stateful.major >= _SINCE
        and "PGDATA" not in stateful.service.environment
        and any(mount.target.rstrip("/") == _OLD_MOUNT for mount in stateful.service.mounts)
        and not any(mount.target.rstrip("/") == _NEW_MOUNT for mount in stateful.service.mounts)
    )


def _postgres_mount(setup: Setup, stateful: Stateful) -> Finding:
    service = stateful.service
    mount = next(mount for mount in service.mounts if mount.target.rstrip("/") == _OLD_MOUNT)
    image = service.image.value if service.image else stateful.repository
    moving = stateful.tag is not None and not stateful.tag[:1].isdigit()
    return make_finding(
        "data-postgres-mount",
        message=(
            f"{service.name} runs {image}{', which now is PostgreSQL 18 or later' if moving else ''}, and mounts "
            f"{mount.source or 'a volume'} at {_OLD_MOUNT}: the container exits at its start."
        ),
        location=in_compose(mount.at),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name),
        fix=Fix(
            text=f"Mount it at {_NEW_MOUNT} for a new database. If the volume holds the data of an older version, "
            "name that version in the tag (`postgres:17`) until they are upgraded with pg_upgrade or a dump.",
            patch=_pin(setup, stateful)
            if moving
            else patch_of(setup, mount.at.file, replaced(setup, mount.at, _OLD_MOUNT, _NEW_MOUNT)),
        ),
    )


def _pin(setup: Setup, stateful: Stateful) -> str | None:
    """The last version that knows the old mount, in the flavour of the tag that moves."""
    image = stateful.service.image
    if image is None or image.raw != image.value or "@" in image.value:
        return None
    flavour = (stateful.tag or "").removeprefix("latest").strip("-")
    name = image.value.rpartition(":")[0] if stateful.tag else image.value
    pinned = f"{name}:17{'-' + flavour if flavour else ''}"
    text = setup.tree.text(image.at.file) or ""
    written = text[image.at.start : image.at.end]
    if written.strip("'\"") != image.value:
        return None
    return patch_of(setup, image.at.file, [Edit(start=image.at.start, end=image.at.end, text=pinned)])
