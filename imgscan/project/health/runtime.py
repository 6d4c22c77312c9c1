"""What becomes of a service that ends: restart policy, signals, time to stop (OPS-001-11). Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imgscan.model import Evidence, Finding, Fix
from imgscan.project.knownimages import DATABASE, SEARCH
from imgscan.project.mend import into_service, patch_of
from imgscan.project.process import starts_by_shell
from imgscan.project.scene import Scene, at, key_of
from imgscan.rulebook import make_finding

_SHORT_S: Final = 30.0
_DEFAULT_S: Final = 10.0
_INITS: Final = frozenset({"tini", "dumb-init", "catatonit", "s6-svscan", "supervisord", "init", "docker-init"})


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    if not scene.runs_once and not scene.service.profiles:
        yield from _restart(scene)
    yield from _signals(scene)
    yield from _grace(scene)


def _restart(scene: Scene) -> Iterator[Finding]:
    service = scene.service
    if service.restart is not None or any(key.startswith("deploy.restart_policy") for key in service.keys):
        return
    yield make_finding(
        "ops-restart-missing",
        message=f"service {scene.name} has no restart policy: it stays down after a crash or a restart of the engine.",
        location=at(service.at),
        evidence=Evidence.ABSENT,
        identity=scene.identity,
        fix=Fix(
            text=f"Add `restart: unless-stopped` to {scene.name}.",
            patch=patch_of(
                scene.setup, service.at.file, into_service(scene.setup, service, ["restart: unless-stopped"])
            ),
        ),
    )


def _signals(scene: Scene) -> Iterator[Finding]:
    service = scene.service
    if service.init or not starts_by_shell(service, scene.image):
        return
    if any(posixpath.basename(word) in _INITS for process in scene.processes for word in process.words[:1]):
        return
    place = at(key_of(service, "command", "entrypoint"))
    command = scene.image.last("CMD") or scene.image.last("ENTRYPOINT")
    if service.command is None and service.entrypoint is None and command is not None:
        from imgscan.detect.places import dockerfile_line

        place = dockerfile_line(command)
    yield make_finding(
        "ops-signals-lost",
        message=(
            f"service {scene.name} is started by a shell that stays the first process: it does not hand on SIGTERM, so "
            "every stop waits for its end and then kills the service."
        ),
        location=place,
        evidence=Evidence.ABSENT,
        identity=scene.identity,
        fix=Fix(
            text=f"Start {scene.name} by `exec` at the end of the shell text or by the exec form, or add `init: true`.",
        ),
    )


def _grace(scene: Scene) -> Iterator[Finding]:
    service, known = scene.service, scene.known
    if known is None or known.kind not in (DATABASE, SEARCH) or not scene.service.mounts:
        return
    given = service.stop_grace_period_s
    if given is not None and given >= _SHORT_S:
        return
    what = f"is {given:g} s" if given is not None else f"is the default, {_DEFAULT_S:g} s"
    edits = into_service(scene.setup, service, ["stop_grace_period: 60s"]) if given is None else []
    yield make_finding(
        "ops-stop-grace-short",
        message=f"the stop_grace_period of {scene.name} {what}: a database under load is killed in its shutdown.",
        location=at(key_of(service, "stop_grace_period")),
        evidence=Evidence.ABSENT,
        identity=scene.identity,
        fix=Fix(
            text=f"Add `stop_grace_period: 60s` to {scene.name}.",
            patch=patch_of(scene.setup, service.at.file, edits),
        ),
    )
