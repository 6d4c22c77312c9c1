"""Health checks that ask another port or path than the service serves (OPS-001-07). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.health.checks import Check, Probe, probes_of
from imgscan.project.network.names import is_loopback
from imgscan.project.scene import Scene
from imgscan.project.sources.records import Route
from imgscan.project.sources.scope import routes_of
from imgscan.rulebook import make_finding

_MOST_ROUTES: Final = 2_000
_HTTP: Final = frozenset({"curl", "wget", "node", "python", "python3", "bun"})


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    check = scene.check
    for probe in probes_of(check) if check else ():
        if check is None or not (is_loopback(probe.host) or probe.host in ("0.0.0.0", scene.name)):  # noqa: S104
            continue
        wrong = _wrong_port(scene, check, probe)
        if wrong is not None:
            yield wrong
        else:
            yield from _wrong_path(scene, check, probe)


def _wrong_port(scene: Scene, check: Check, probe: Probe) -> Finding | None:
    port = probe.port
    said = scene.image.exposes | frozenset(scene.service.expose) | frozenset(p.target for p in scene.service.ports)
    heard = scene.listening.ports
    if port is None or port in heard | said or not heard | said:
        return None
    if not heard and _is_given(scene, port):
        return None
    if scene.service.network_mode is not None and scene.service.network_mode.value.startswith(
        ("service:", "container:")
    ):
        return None
    sure = scene.listening.complete and bool(heard) and (bool(said) or scene.known is not None)
    listed = ", ".join(str(each) for each in sorted(heard or said))
    how = "listens on" if heard else "says that it listens on"
    return make_finding(
        "ops-health-wrong-target",
        message=f"the health check of {scene.name} asks port {port}, but the service {how} {listed}.",
        location=check.location,
        evidence=Evidence.DERIVED,
        identity=(*scene.identity, str(port)),
        severity=None if sure else Severity.MEDIUM,
        fix=Fix(text=f"Ask port {listed} in the health check of {scene.name}."),
    )


def _is_given(scene: Scene, port: int) -> bool:
    """Whether a variable of the service has this number, of which nobody here knows what it is for."""
    given = scene.service.environment.values()
    return any(str(port) in re.findall(r"\d+", var.value.value) for var in given if var.value is not None)


def _wrong_path(scene: Scene, check: Check, probe: Probe) -> Iterator[Finding]:
    path = probe.path
    if path is None or path == "/" or probe.program not in _HTTP or scene.known is not None:
        return
    routes = list(routes_of(scene.service, scene.setup))[:_MOST_ROUTES]
    served = [route for route in routes if route.method != "MOUNT"]
    if not served or serves(routes, path):
        return
    near = sorted({route.path for route in served if "health" in route.path.lower() or "live" in route.path.lower()})
    hint = f" It has {', '.join(near[:3])}." if near else ""
    yield make_finding(
        "ops-health-wrong-target",
        message=f"the health check of {scene.name} asks {path}, which none of its {len(served)} routes serves.{hint}",
        location=check.location,
        evidence=Evidence.DERIVED,
        identity=(*scene.identity, path),
        severity=Severity.MEDIUM,
        fix=Fix(text=f"Ask a path that {scene.name} serves{': ' + near[0] if near else ''}."),
    )


def serves(routes: list[Route], path: str) -> bool:
    """Whether one of the routes, alone or below mounts, may answer a path."""
    mounts = ["", *dict.fromkeys(r.path.rstrip("/") for r in routes if r.method == "MOUNT")][:100]
    rest = {path.rstrip("/") or "/"}
    for _ in range(2):  # mounts in mounts
        for mount in mounts:
            if mount:
                rest |= {
                    each[len(mount) :] or "/" for each in list(rest) if each.startswith(f"{mount}/") or each == mount
                }
    return any(_matches(route.path, each) for route in routes if route.method != "MOUNT" for each in rest)


def _matches(route: str, path: str) -> bool:
    """Whether a route pattern may match: parameters take one part, wildcards the rest."""
    wanted = [part for part in route.split("/") if part]
    given = [part for part in path.split("/") if part]
    for index, part in enumerate(wanted):
        if "*" in part or re.search(r"path:|\.\.\.|\(", part):
            return True
        if index >= len(given) or not (part == given[index] or part[0] in ":{<[" or part.endswith("?")):
            return False
    return len(wanted) == len(given)
