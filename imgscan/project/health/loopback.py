"""Servers that listen on the loopback address alone, where nobody but their own container reaches them (OPS-001-10).

A health check inside of the container cannot see it. In: a scene. Out: findings. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgscan.diff import Edit
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.health.flags import flag_edits
from imgscan.project.listening import Listener
from imgscan.project.mend import patch_of
from imgscan.project.network.names import mode_of
from imgscan.project.scene import Scene
from imgscan.rulebook import make_finding


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    found = loopback_listeners(scene)
    if not found or not (scene.is_used or scene.image.exposes) or mode_of(scene.service) not in ("", "bridge"):
        return
    listener = found[0]
    bind = listener.bind
    sure = all(each.sure for each in found)
    yield make_finding(
        "ops-loopback-bind",
        message=(
            f"service {scene.name} listens on {listener.host} ({_why(listener)}): no other container and no published "
            "port reaches it, and a health check inside of the container does not notice."
        ),
        location=_location(scene, listener),
        evidence=Evidence.DERIVED if sure else Evidence.PATTERN,
        identity=(*scene.identity, bind.framework),
        severity=None if sure else Severity.MEDIUM,
        confidence=None if sure else Confidence.MEDIUM,
        fix=Fix(text=_advice(scene, listener), patch=_patch(scene, listener)),
    )


def loopback_listeners(scene: Scene) -> list[Listener]:
    """The service's listeners, if all of them listen on the loopback address."""
    listeners = list(scene.listening.listeners)
    return listeners if listeners and all(each.loopback for each in listeners) else []


def _location(scene: Scene, listener: Listener) -> Location:
    bind = listener.bind
    compose = bind.file in scene.project.files
    docker = scene.image.dockerfile is not None and bind.file == scene.image.dockerfile.file
    place = Place.COMPOSE if compose else Place.DOCKERFILE if docker else Place.CONTEXT
    return Location(place=place, path=bind.file, line=bind.line)


def _why(listener: Listener) -> str:
    bind = listener.bind
    if bind.host is None and bind.framework_host is not None:
        return f"the default of {bind.framework}"
    if bind.host_variable:
        return f"what {bind.framework} is given for {bind.host_variable}, or takes without it"
    return f"written for {bind.framework}"


def _advice(scene: Scene, listener: Listener) -> str:
    bind, served = listener.bind, listener.served
    if served is not None and served.server.mend:
        return f"Add `{served.server.mend}` to the command of {scene.name} ({bind.file}:{bind.line})."
    if bind.host_variable:
        return f"Set `{bind.host_variable}: 0.0.0.0` in the environment of {scene.name}."
    return f"Let {bind.file}:{bind.line} listen on 0.0.0.0."


def _patch(scene: Scene, listener: Listener) -> str | None:
    bind = listener.bind
    if listener.served is not None:
        return patch_of(scene.setup, bind.file, flag_edits(scene, listener.served))
    mend = bind.mend
    if mend is None:
        return None
    return patch_of(scene.setup, bind.file, [Edit(start=mend.start, end=mend.end, text=mend.text)])
