"""Names in backup scripts against those of the containers: service, container, user, database; versions; roles.

In: a `Setup` and its jobs. Out: findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.backup.edits import replace_in_call
from imgscan.project.backup.jobs import Job
from imgscan.project.compose.records import Service
from imgscan.project.data.places import in_script, where
from imgscan.project.data.stores import Stateful, stateful_services
from imgscan.project.setup import Setup
from imgscan.project.shell.glob import is_known
from imgscan.rulebook import make_finding

_GRANTS: Final = lazy_re(r"^\s*(?:create\s+(?:role|user)\s|grant\s+[\w, ]+\s+(?:on|to)\s)", re.I | re.M)
_VOLUME: Final = lazy_re(r"[a-zA-Z0-9][\w.-]*")
_CLIENT: Final = lazy_re(r"postgresql-?(?P<debian>client-)?(?P<major>\d{2})(?P<alpine>-client)?\b")


def detect(setup: Setup, jobs: Sequence[Job]) -> Iterator[Finding]:
    """The findings, job by job, then on roles and versions."""
    stores = list(stateful_services(setup))
    for job in jobs:
        if job.program.remote:
            continue
        yield from _container(setup, job, stores)
        yield from _volume(setup, job, stores)
        yield from _credentials(setup, job, stores)
        yield from _first_generation(setup, job)
    yield from _roles(setup, jobs)
    yield from _client(setup, jobs, stores)


def _disagree(job: Job, message: str, name: str, fix: Fix) -> Finding:
    return make_finding(
        "backup-names-disagree",
        message=message,
        location=in_script(job.text, job.call),
        evidence=Evidence.DERIVED,
        identity=(job.text.file, job.text.name, job.program.name, name),
        severity=None if job.automatic else Severity.LOW,
        fix=fix,
    )


def _container(setup: Setup, job: Job, stores: list[Stateful]) -> Iterator[Finding]:
    engine = job.container
    if engine is None or engine.verb != "exec" or not engine.arguments or not is_known(engine.arguments[0]):
        return
    name = engine.arguments[0]
    services = {service.name: service for compose in setup.composes for service in compose.services.values()}
    if not services or (engine.compose and name in services) or (not engine.compose and _is_container(setup, name)):
        return
    right = [one.service for one in stores if one.store.name == job.store]
    if not right:
        return
    what = "service" if engine.compose else "container"
    meant = right[0].name if engine.compose else _container_name(right[0])
    patch = (
        replace_in_call(setup, job.text, job.call, rf"(?<![\w./-]){re.escape(name)}(?![\w./-])", meant)
        if meant
        else None
    )
    yield _disagree(
        job,
        f"{where(job.text)} runs {job.program.name} in the {what} {name}, which no compose file makes; {job.store} "
        f"is the service {right[0].name}.",
        name,
        Fix(
            text=f"`docker compose exec -T {right[0].name} {job.program.name} …` finds the container whatever its "
            "name.",
            patch=patch if len(right) == 1 else None,
        ),
    )


def _volume(setup: Setup, job: Job, stores: list[Stateful]) -> Iterator[Finding]:
    """A volume that `docker run -v` mounts by a name that no compose file gives to one: the engine makes a new one."""
    engine = job.container
    if engine is None or engine.compose or engine.verb != "run":
        return
    held = [(one, _real_name(one)) for one in stores if one.holder is not None and one.records]
    for option, value in engine.given:
        name = (value or "").partition(":")[0]
        if option not in ("-v", "--volume") or not is_known(value or "\0") or _VOLUME.fullmatch(name) is None:
            continue
        if not held or _is_volume(setup, name):
            continue
        stateful, meant = held[0]
        yield _disagree(
            job,
            f"{where(job.text)} mounts the volume {name}, which no compose file makes: the engine makes an empty one. "
            f"The data of {stateful.service.name} are in {meant or (stateful.holder and stateful.holder.source)}.",
            name,
            Fix(text=f"Mount {meant or 'the volume by the name that `docker volume ls` shows'}."),
        )


def _real_name(stateful: Stateful) -> str | None:
    volume = stateful.compose.volumes.get((stateful.holder.source if stateful.holder else None) or "")
    return volume.real_name if volume is not None else None


def _is_volume(setup: Setup, name: str) -> bool:
    """Whether a volume may be called so; the project's name before it may be any, where no file fixes it."""
    for compose in setup.composes:
        for volume in compose.volumes.values():
            if volume.real_name == name or (volume.real_name is None and name.endswith(f"_{volume.name}")):
                return True
    return False


def _container_name(service: Service) -> str | None:
    return service.container_name.value if service.container_name is not None else None


def _is_container(setup: Setup, name: str) -> bool:
    """Whether a container may be called so: `container_name`, or `PROJECT-SERVICE-1` of any project name."""
    for compose in setup.composes:
        for service in compose.services.values():
            own = _container_name(service)
            if own == name or (service.container_name is not None and service.container_name.unset):
                return True
            if own is None and re.fullmatch(rf"[a-z0-9][a-z0-9_-]*[-_]{re.escape(service.name)}[-_]\d+", name):
                return True
    return False


def _credentials(setup: Setup, job: Job, stores: list[Stateful]) -> Iterator[Finding]:
    """-U and -d of the PostgreSQL programs, where the compose file says what they are."""
    if job.store != "PostgreSQL":
        return
    stateful = _meant(job, stores)
    if stateful is None:
        return
    user, database = _option(job, "-U", "--username"), _option(job, "-d", "--dbname")
    known_user = _value(stateful.service, "POSTGRES_USER", "postgres")
    if user is not None and known_user is not None and user != known_user:
        yield _wrong(
            setup, job, stateful, "user", user, known_user, rf"(-U\s*|--username[= ]){re.escape(user)}(?![\w.-])"
        )
    known = _value(stateful.service, "POSTGRES_DB", known_user)
    if database is None or known is None or re.search(r"[:=/]", database):
        return
    if database not in (known, "postgres", "template1") and not _makes_database(setup, database):
        yield _wrong(
            setup, job, stateful, "database", database, known, rf"(-d\s*|--dbname[= ]){re.escape(database)}(?![\w.-])"
        )


def _wrong(setup: Setup, job: Job, stateful: Stateful, what: str, given: str, known: str, pattern: str) -> Finding:
    return _disagree(
        job,
        f"{where(job.text)} calls {job.program.name} with the {what} {given}; the {what} of {stateful.service.name} "
        f"is {known}.",
        f"{what} {given}",
        Fix(
            text=f"Use {known}, or take it from the container: `sh -c '{job.program.name} -U \"$POSTGRES_USER\" …'`.",
            patch=replace_in_call(setup, job.text, job.call, pattern, rf"\g<1>{known}")
            if re.fullmatch(r"[\w.-]+", known)
            else None,
        ),
    )


def _meant(job: Job, stores: list[Stateful]) -> Stateful | None:
    """The service whose store a job is about: that of its container."""
    engine = job.container
    of_kind = [one for one in stores if one.store.name == job.store]
    if engine is not None and engine.compose and engine.arguments:
        found = [one for one in of_kind if one.service.name == engine.arguments[0]]
    elif engine is not None and engine.arguments:
        found = [one for one in of_kind if _container_name(one.service) == engine.arguments[0]]
    else:
        return None
    # Several compose projects may have a service of that name: only where they agree is there something to say.
    values = {
        (_value(one.service, "POSTGRES_USER", "postgres"), _value(one.service, "POSTGRES_DB", "")) for one in found
    }
    return found[0] if len(values) == 1 else None


def _option(job: Job, short: str, long: str) -> str | None:
    """The value of an option; None when it is not there, not known, or may be set by somebody else."""
    certain = [word.text for word in job.place.words if word.text is not None]
    words = job.program.words
    for at, word in enumerate(words):
        value = None
        if word in (short, long):
            value = words[at + 1] if at + 1 < len(words) else None
        elif word.startswith(f"{long}="):
            value = word.partition("=")[2]
        elif word.startswith(short) and len(word) > 2 and not word.startswith("--"):
            value = word[2:]
        if value:
            return value if is_known(value) and "$" not in value and any(value in text for text in certain) else None
    return None


def _value(service: Service, name: str, default: str | None) -> str | None:
    """A variable of a container, as far as the compose file alone decides it."""
    found = service.environment.get(name)
    if found is not None:
        fixed = found.value is not None and found.value.raw == found.value.value
        return found.value.value if fixed and found.value is not None and found.value.value else None
    return None if service.env_files or service.build is not None or f"{name}_FILE" in service.environment else default


def _makes_database(setup: Setup, name: str) -> bool:
    """Whether an init script or a script makes a database of that name."""
    made = re.compile(rf"(?:create\s+database|createdb)\b[^;\n]*\b{re.escape(name)}\b", re.I)
    texts = (setup.tree.text(path) or "" for path in setup.tree.files if path.endswith(".sql"))
    return any(made.search(text) for text in texts) or any(made.search(text.text) for text in setup.shells)


def _first_generation(setup: Setup, job: Job) -> Iterator[Finding]:
    engine = job.container
    if engine is not None and engine.program == "docker-compose" and job.automatic:
        yield make_finding(
            "backup-compose-v1",
            message=f"{where(job.text)} calls docker-compose, which an engine with the compose plugin does not have.",
            location=in_script(job.text, job.call),
            evidence=Evidence.PATTERN,
            identity=(job.text.file, job.text.name),
            fix=Fix(
                text="Call `docker compose`.",
                patch=replace_in_call(setup, job.text, job.call, r"(?<![\w./-])docker-compose(?=\s)", "docker compose"),
            ),
        )


def _roles(setup: Setup, jobs: Sequence[Job]) -> Iterator[Finding]:
    dumps = [job for job in jobs if job.program.name == "pg_dump" and job.automatic]
    if not dumps or any(job.program.name in ("pg_dumpall", "pg_basebackup") for job in jobs):
        return
    granting = next(
        (path for path in setup.tree.files if path.endswith(".sql") and _GRANTS.search(setup.tree.text(path) or "")),
        None,
    )
    if granting is None or any(
        re.search(r"-O\b|--no-owner", " ".join(job.program.words)) and "-x" in job.program.words for job in dumps
    ):
        return
    first = dumps[0]
    yield make_finding(
        "backup-without-roles",
        message=f"{granting} makes roles or grants, and {where(first.text)} dumps a database without the server's "
        "roles.",
        location=in_script(first.text, first.call),
        evidence=Evidence.PATTERN,
        identity=(first.text.file, granting),
    )


def _client(setup: Setup, jobs: Sequence[Job], stores: list[Stateful]) -> Iterator[Finding]:
    """A pg_dump of an image of our own that is older than the server."""
    servers = [one for one in stores if one.store.name == "PostgreSQL" and one.major is not None and one.major < 90]
    outside = [job for job in jobs if job.program.name in ("pg_dump", "pg_dumpall") and not job.program.through]
    if len({one.major for one in servers}) != 1 or not outside:
        return
    server = servers[0]
    for path, text in setup.dockerfiles.items():
        for found in _CLIENT.finditer(text):
            major = int(found["major"])
            if (found["debian"] or found["alpine"]) and server.major is not None and 8 < major < server.major:
                yield make_finding(
                    "backup-client-too-old",
                    message=f"{path} installs the client of PostgreSQL {major}, and {server.service.name} is version "
                    f"{server.major}: pg_dump refuses it.",
                    location=in_script(outside[0].text, outside[0].call),
                    evidence=Evidence.DERIVED,
                    identity=(path, str(major), str(server.major)),
                )
                return
