"""Credentials that pass through compose files: `context-secret-build-arg`, `context-compose-credential`,
`context-env-file-shared`.

In: a `Setup`. Out: findings. Of values nothing is ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from imgscan.detect.words import is_placeholder, is_secret_name
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.compose.records import ComposeProject, EnvVar, Mark, Service
from imgscan.project.setup import EnvText, Setup
from imgscan.rulebook import make_finding

_NAMED: Final = 6
_IN_URL: Final = lazy_re(r"[a-z][a-z0-9+.-]{0,30}://[^\s/:@$]{0,200}:([^\s/@$]{1,200})@", re.IGNORECASE)
_DEFAULT: Final = lazy_re(r"\$\{\w+:?-([^{}$]{1,500})\}")
_TAKES_FILE: Final = lazy_re(r"(?:docker\.io/)?(?:library/)?(?:postgres|mysql|mariadb|mongo)(?:[:@]|$)")
"""Images that take `NAME_FILE` for a secret `NAME`, and need one."""
_SHORT: Final = 8
_WORD: Final = lazy_re(r"[a-z]+[0-9]{0,4}|[0-9]+", re.IGNORECASE)


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings, project by project; what two projects share by a file comes once."""
    seen: set[str] = set()
    for project in setup.composes:
        for finding in _of_project(setup, project):
            if finding.fingerprint not in seen:
                seen.add(finding.fingerprint)
                yield finding


def _of_project(setup: Setup, project: ComposeProject) -> Iterator[Finding]:
    for service in project.services.values():
        if service.build is not None:
            yield from _build_args(service, service.build.args)
        yield from _unread(setup, service)
    yield from _literals(project)
    yield from _shared_files(setup, project)


def _build_args(service: Service, args: Mapping[str, EnvVar]) -> Iterator[Finding]:
    for name, var in args.items():
        if not is_secret_name(name):
            continue
        literal = var.value is not None and _credential(name, var.value.raw) is not None
        yield make_finding(
            "context-secret-build-arg",
            message=(
                f"{service.name} is built with the argument {name}"
                f"{', whose value stands in the file' if literal else ''}: what is passed so stays in the image's "
                "history or the build cache."
            ),
            location=_location(var.at),
            evidence=Evidence.DERIVED if literal else Evidence.PATTERN,
            identity=(var.at.file, service.name, name),
            severity=None if literal else Severity.MEDIUM,
            fix=Fix(
                text=f"Pass {name} as a secret of the build: `build.secrets: [{name.lower()}]` for {service.name}, and "
                f"`RUN --mount=type=secret,id={name.lower()}` for the step that needs it."
            ),
        )


def _literals(project: ComposeProject) -> Iterator[Finding]:
    """One for each place: an anchor or a merge key gives it to several services."""
    users: dict[tuple[str, int, str], list[tuple[Service, EnvVar]]] = {}
    for service in project.services.values():
        for name, var in service.environment.items():
            users.setdefault((var.at.file, var.at.start, name), []).append((service, var))
    for (_, _, name), given in users.items():
        service, var = given[0]
        value = _credential(name, var.value.raw) if var.value is not None else None
        if value is None:
            continue
        weak = len(value) < _SHORT or _WORD.fullmatch(value) is not None
        yield make_finding(
            "context-compose-credential",
            message=(
                f"{name} of {_listed([each.name for each, _ in given])} has its value in {var.at.file}, for everybody "
                "who reads the repository."
            ),
            location=_location(var.at),
            evidence=Evidence.PATTERN,
            identity=(var.at.file, service.name, name),
            severity=Severity.LOW if weak else None,
            confidence=Confidence.LOW if weak else None,
            fix=Fix(text=_advice(service, name)),
        )


def _credential(name: str, raw: str) -> str | None:
    """The credential that a value as written holds, in full or in a URL; None if it holds none."""
    default = _DEFAULT.fullmatch(raw.strip())
    value = default[1] if default else raw
    in_url = _IN_URL.search(value)
    if in_url is not None:
        return None if is_placeholder(in_url[1]) else in_url[1]
    if "$" in value.replace("$$", "") or not is_secret_name(name) or is_placeholder(value):
        return None
    return value.strip()


def _advice(service: Service, name: str) -> str:
    image = service.image.value if service.image is not None else ""
    if _TAKES_FILE.match(image) and not name.endswith("_FILE"):
        return (
            f"Put the value into a file outside of version control, declare it under `secrets:`, and give "
            f"{service.name} `{name}_FILE: /run/secrets/{name.lower()}` instead."
        )
    return (
        f"Write `{name}: ${{{name}:?set it in .env}}` for {service.name}, or mount a secret file; name the variable in "
        ".env.example without its value, and replace the value that was committed."
    )


def _unread(setup: Setup, service: Service) -> Iterator[Finding]:
    """Secrets of a file that a service is given whole and whose sources never name them."""
    folder = service.build.context if service.build is not None else None
    if folder in (None, "", "."):
        return  # of a build from the root it is not known which sources are its own
    read = {read.name for read in setup.sources.reads if read.file.startswith(f"{folder}/")}
    for file in service.env_files if read else ():
        env = _env_of(setup, file.path or file.written)
        held = sorted({e.name for e in env.entries if is_secret_name(e.name)} - read) if env is not None else []
        if held:
            yield make_finding(
                "context-env-file-unread",
                message=f"{service.name} gets {_listed(held)} by {file.written}, which no source in {folder} reads.",
                location=_location(file.at),
                evidence=Evidence.DERIVED,
                identity=(file.at.file, service.name, file.written),
                fix=Fix(text=f"Give {service.name} what it reads, under `environment:`, instead of {file.written}."),
            )


def _shared_files(setup: Setup, project: ComposeProject) -> Iterator[Finding]:
    """A file with secrets that several services are given whole."""
    users: dict[str, list[tuple[Service, Mark]]] = {}
    for service in project.services.values():
        for file in service.env_files:
            users.setdefault(file.path or file.written, []).append((service, file.at))
    for path, given in users.items():
        services = {service.name: service for service, _ in given}
        if len(services) < 2:
            continue
        held, known = _secrets_of(setup, path), _env_of(setup, path) is not None
        if not known:
            held = [f"the password of {s.name}" for s in services.values() if _needs_password(s)]
        if held:
            yield _shared(path, given, sorted(services), held, Evidence.DERIVED if known else Evidence.PATTERN)


def _shared(
    path: str, given: list[tuple[Service, Mark]], names: list[str], held: list[str], evidence: Evidence
) -> Finding:
    places = tuple(_location(mark) for _, mark in given)
    return make_finding(
        "context-env-file-shared",
        message=(
            f"{path} goes whole to {_listed(names)}: each of them has {_listed(held)} in its environment, and "
            "`docker inspect` shows it."
        ),
        location=places[0],
        places=places,
        evidence=evidence,
        identity=(path, *names),
        fix=Fix(
            text=f"Give each of {_listed(names)} only what it reads, under `environment:`, and {_listed(held)} as "
            "secret files (`secrets:` and the `*_FILE` form of the variable)."
        ),
    )


def _needs_password(service: Service) -> bool:
    """Whether a database has to get its password from a file that is not there: it does not start without one."""
    image = service.image.value if service.image is not None else ""
    return _TAKES_FILE.match(image) is not None and not any(map(is_secret_name, service.environment))


def _secrets_of(setup: Setup, path: str) -> list[str]:
    """The secret variables of a file, or of the example that it is copied from."""
    env = _env_of(setup, path)
    return sorted({entry.name for entry in env.entries if is_secret_name(entry.name)}) if env is not None else []


def _env_of(setup: Setup, path: str) -> EnvText | None:
    """A file of variables; if it is not there the example beside it, or for the root's own the only one there is."""
    folder = path.rpartition("/")[0]
    named = next((env for env in setup.envs if env.path == path), None)
    examples = [env for env in setup.envs if env.example]
    beside = next((env for env in examples if env.path.rpartition("/")[0] == folder), None)
    return named or beside or (examples[0] if len(examples) == 1 and not folder else None)


def _location(mark: Mark) -> Location:
    return Location(place=Place.COMPOSE, path=mark.file, line=mark.line)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
