"""Health checks that are missing, switched off, or whose times do not fit (OPS-001-01, -02, -08). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.diff import Edit
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.health.bases import base_kind, lacks
from imgscan.project.health.checks import Check, is_disabled, may_be_checked
from imgscan.project.mend import into_service, lines_before, long_dependencies, patch_of, replaced
from imgscan.project.scene import Scene, at, key_of
from imgscan.project.sources.scope import routes_of
from imgscan.rulebook import make_finding

_SLOW_S: Final = 10.0
_HEALTH_PATHS: Final = ("/health", "/healthz", "/livez", "/api/health", "/ping", "/status", "/ready", "/readyz")
_JVM: Final = ("java", "temurin", "tomcat", "jetty", "openjdk", "corretto", "gradle", "maven", "keycloak")


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    if scene.check is None:
        if is_disabled(scene.service, scene.image):
            yield _disabled(scene)
        elif not scene.runs_once and not _only_base_knows(scene):
            yield _missing(scene)
        return
    yield from _start_period(scene, scene.check)
    yield from _times(scene, scene.check)


def _only_base_knows(scene: Scene) -> bool:
    """Whether the image comes with a check of its own, as far as is known."""
    return scene.image.known is not None and may_be_checked(scene.service, scene.image)


def _missing(scene: Scene) -> Finding:
    lines = ["healthcheck:", *(f"  {line}" for line in suggested(scene))]
    edits = into_service(scene.setup, scene.service, lines) if len(lines) > 1 else []
    if edits:
        edits += _waiting(scene)
    surely = scene.image.known is not None or scene.image.built
    what = "" if surely else ", unless its image brings one"
    return make_finding(
        "ops-health-missing",
        message=f"service {scene.name} has no health check{what}: it counts as running as soon as its process exists.",
        location=at(scene.service.at),
        evidence=Evidence.ABSENT,
        identity=scene.identity,
        severity=None if scene.is_used and surely else Severity.LOW,
        fix=Fix(text=_advice(scene), patch=patch_of(scene.setup, scene.service.at.file, edits)),
    )


def _waiting(scene: Scene) -> Iterator[Edit]:
    """Those that depend on the service wait for the check that it gets."""
    for other in scene.project.services.values():
        needed = other.depends_on.get(scene.name)
        key = other.keys.get(f"depends_on.{scene.name}.condition")
        if needed is None or needed.condition != "service_started" or needed.at.file != scene.service.at.file:
            continue
        if key is not None:
            yield from replaced(scene.setup, key, "service_started", "service_healthy")
        else:
            checked = {name for name in other.depends_on if name == scene.name or scene.checks.get(name) is not None}
            conditions = {n: "service_healthy" if n in checked else "service_started" for n in other.depends_on}
            yield from long_dependencies(scene.setup, other, conditions)


def suggested(scene: Scene) -> list[str]:
    """The lines of a health check that works in the service's image; none where nothing is sure to."""
    test = scene.known.test if scene.known else _http_test(scene)
    if test is None:
        return []
    if scene.known and scene.known.family == "postgres" and _has_variables(scene, "POSTGRES_USER", "POSTGRES_DB"):
        test = 'pg_isready -q -h 127.0.0.1 -U "$$POSTGRES_USER" -d "$$POSTGRES_DB"'
    start = 60 if scene.known and scene.known.slow else 30
    quoted = test.replace("'", "''")
    return [
        f"test: ['CMD-SHELL', '{quoted}']",
        "interval: 10s",
        "timeout: 5s",
        "retries: 5",
        f"start_period: {start}s",
    ]


def _has_variables(scene: Scene, *names: str) -> bool:
    return all(name in scene.service.environment for name in names)


def _http_test(scene: Scene) -> str | None:
    """A test of HTTP on the service's own route, by a program that the image is known to have."""
    route = next(
        (path for path in _HEALTH_PATHS if any(r.path == path for r in routes_of(scene.service, scene.setup))), None
    )
    if route is None or len(scene.listening.ports) != 1:
        return None
    url = f"http://127.0.0.1:{next(iter(scene.listening.ports))}{route}"
    return http_test(scene, url)


def http_test(scene: Scene, url: str) -> str | None:
    """A shell text that asks a URL, by busybox where the image has it, else by the language it is made for."""
    base = scene.image.base or ""
    repository = base.rpartition("/")[2].partition(":")[0]
    if base_kind(scene.image) == "alpine" and not lacks(scene.image, "wget"):
        return f"wget -q -O /dev/null {url}"
    if base_kind(scene.image) in ("distroless", "scratch"):
        return None
    if repository == "node":
        return f"node -e \"fetch('{url}').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))\""
    if repository == "python":
        return f"python -c \"import urllib.request as u; u.urlopen('{url}', timeout=3)\""
    return None


def _advice(scene: Scene) -> str:
    found = suggested(scene)
    if found:
        return f"Give {scene.name} a `healthcheck:` with {found[0]}, an interval, a timeout and a start_period."
    return (
        f"Give {scene.name} a `healthcheck:` that asks what the service is for, over 127.0.0.1, with a program that "
        "its image has."
    )


def _disabled(scene: Scene) -> Finding:
    return make_finding(
        "ops-health-disabled",
        message=f"the health check of service {scene.name} is switched off.",
        location=at(key_of(scene.service, "healthcheck")),
        evidence=Evidence.ABSENT,
        identity=scene.identity,
    )


def _start_period(scene: Scene, check: Check) -> Iterator[Finding]:
    slow = _is_slow(scene)
    given = check.start_period_s
    if given is not None and given > 0 and not (slow and given < _SLOW_S):
        return
    need = f"{60 if slow else 30}s"
    what = "has no start_period" if not given else f"has a start_period of {given:g} s"
    reach = check.interval_s * check.retries
    yield make_finding(
        "ops-health-no-start-period",
        message=(
            f"the health check of {scene.name} {what}: failures count from the start, and after {reach:g} s "
            f"({check.retries} of them) a service that still starts is unhealthy."
        ),
        location=check.location,
        evidence=Evidence.ABSENT,
        identity=scene.identity,
        severity=Severity.MEDIUM if slow and reach < 2 * _SLOW_S else None,
        fix=Fix(text=f"Add `start_period: {need}` to the health check of {scene.name}.", patch=_patch(scene, need)),
    )


def _is_slow(scene: Scene) -> bool:
    base = (scene.image.base or "").lower()
    return bool(scene.image.known and scene.image.known.slow) or any(word in base for word in _JVM)


def _patch(scene: Scene, need: str) -> str | None:
    keys = scene.service.keys
    written = keys.get("healthcheck.start_period")
    test = keys.get("healthcheck.test")
    if written is not None or test is None:
        return None
    return patch_of(scene.setup, test.file, lines_before(scene.setup, test, [f"start_period: {need}"]))


def _times(scene: Scene, check: Check) -> Iterator[Finding]:
    for problem, key in _time_problems(check):
        yield make_finding(
            "ops-health-timing",
            message=f"the health check of {scene.name}: {problem}.",
            location=at(key_of(scene.service, f"healthcheck.{key}")) if check.mark else check.location,
            evidence=Evidence.DERIVED,
            identity=(*scene.identity, key),
        )


def _time_problems(check: Check) -> Sequence[tuple[str, str]]:
    found = []
    if check.timeout_s > check.interval_s:
        found.append(
            (
                f"its timeout ({check.timeout_s:g} s) is longer than its interval ({check.interval_s:g} s), so a "
                "service that hangs is found out late",
                "timeout",
            )
        )
    if check.start_interval_s is not None:
        if check.start_period_s is not None and check.start_interval_s > check.start_period_s:
            text = f"start_interval ({check.start_interval_s:g} s) is longer than start_period: it has no effect"
            found.append((text, "start_interval"))
        elif check.start_period_s is None:
            found.append(("start_interval has no effect without start_period", "start_interval"))
        else:
            found.append(("start_interval needs Engine 25: an older one refuses the container", "start_interval"))
    return found
