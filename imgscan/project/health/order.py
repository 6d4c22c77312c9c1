"""The order of starting: `depends_on` that does not wait, that waits for nothing, that goes in circles (OPS-001-09).

In: a scene. Out: findings. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.compose.records import ComposeProject, Dependency
from imgscan.project.health.checks import is_disabled, may_be_checked
from imgscan.project.mend import long_dependencies, patch_of
from imgscan.project.scene import Scene, at, key_of
from imgscan.rulebook import make_finding


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    yield from _does_not_wait(scene)
    yield from _waits_for_nothing(scene)
    yield from _circle(scene)


def _does_not_wait(scene: Scene) -> Iterator[Finding]:
    service = scene.service
    unwaited = [
        item
        for item in service.depends_on.values()
        if item.condition == "service_started" and scene.checks.get(item.service) is not None
    ]
    if not unwaited:
        return
    names = ", ".join(sorted(item.service for item in unwaited))
    edits = long_dependencies(scene.setup, service, _conditions(scene))
    yield make_finding(
        "ops-depends-on-started",
        message=(
            f"service {scene.name} waits for {names} to be started, not to be healthy, although "
            f"{'it has' if len(unwaited) == 1 else 'they have'} a health check: it starts while the other still loads."
        ),
        location=at(unwaited[0].at),
        evidence=Evidence.DERIVED,
        identity=(*scene.identity, names),
        # The long form says so on purpose.
        severity=None if any(item.short for item in unwaited) else Severity.LOW,
        fix=Fix(
            text=f"Write `depends_on` of {scene.name} in the long form, with `condition: service_healthy` for {names}.",
            patch=patch_of(scene.setup, key_of(service, "depends_on").file, edits),
        ),
    )


def _conditions(scene: Scene) -> dict[str, str]:
    return {
        name: "service_healthy" if scene.checks.get(name) is not None else "service_started"
        for name in scene.service.depends_on
    }


def _waits_for_nothing(scene: Scene) -> Iterator[Finding]:
    for item in scene.service.depends_on.values():
        other = scene.project.services.get(item.service)
        if item.condition != "service_healthy" or other is None or scene.checks.get(item.service) is not None:
            continue
        image = scene.images[item.service]
        surely = is_disabled(other, image) or not may_be_checked(other, image)
        if image.built and image.known is None:
            # What the image is FROM may bring a check; those of languages and distributions have none.
            surely = surely or _is_plain_base(image.base)
        yield _unhealthy(scene, item, surely=surely)


def _is_plain_base(base: str | None) -> bool:
    name = (base or "").removeprefix("docker.io/").removeprefix("library/").partition("@")[0].partition(":")[0]
    return name in (
        "node", "python", "golang", "ruby", "rust", "php", "debian", "ubuntu", "alpine", "scratch", "nginx", "openjdk",
        "eclipse-temurin", "busybox", "amazoncorretto", "maven", "gradle", "elixir", "perl", "httpd", "postgres",
    )  # fmt: skip


def _unhealthy(scene: Scene, item: Dependency, *, surely: bool) -> Finding:
    what = "has no health check" if surely else "has no health check in these files"
    return make_finding(
        "ops-depends-on-unchecked",
        message=f"service {scene.name} waits for {item.service} to be healthy, which {what}: `up` fails.",
        location=at(item.at),
        evidence=Evidence.DERIVED if surely else Evidence.PATTERN,
        identity=(*scene.identity, item.service),
        severity=None if surely else Severity.LOW,
        fix=Fix(text=f"Give {item.service} a health check, or wait for `service_started`."),
    )


def _circle(scene: Scene) -> Iterator[Finding]:
    path = circle_from(scene.project, scene.name)
    # Each circle once: by its first service in the order of names.
    if not path or min(path) != scene.name:
        return
    yield make_finding(
        "ops-depends-on-circle",
        message=f"services wait for each other in a circle: {' -> '.join((*path, path[0]))}. Compose refuses to start.",
        location=at(scene.service.depends_on[path[1] if len(path) > 1 else path[0]].at),
        evidence=Evidence.DERIVED,
        identity=(scene.identity[0], *sorted(path)),
    )


def circle_from(project: ComposeProject, start: str) -> tuple[str, ...]:
    """The shortest way of dependencies from a service back to itself; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        service = project.services.get(name)
        # Those that only start with a profile are not there for compose, unless it is asked for.
        for other in service.depends_on if service and service.active else ():
            if other == start:
                return _way(came_from, start, name)
            if other not in came_from:
                came_from[other] = name
                waiting.append(other)
    return ()


def _way(came_from: Mapping[str, str], start: str, last: str) -> tuple[str, ...]:
    way = [last]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
