"""Values that have to agree (CONFIG-001-04, -07, -10): defaults of a variable, ports, a database's URL and account.

In: `Facts`. Out: findings. Passwords are compared, never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from imgscan.detect.words import is_secret_name, name_words
from imgscan.diff import Edit
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.compose.records import Service, Text, Variable
from imgscan.project.env.facts import Facts, in_compose, in_env
from imgscan.project.env.services import known_environment
from imgscan.project.knownimages import known_image
from imgscan.project.mend import patch_of
from imgscan.project.network.names import find_server
from imgscan.project.sources.scope import binds_of, reads_of
from imgscan.rulebook import make_finding

_URL: Final = lazy_re(
    r"(?P<scheme>[a-z][a-z0-9+]{2,30})://(?P<user>[^\s:/@?#]{0,200})(?::(?P<password>[^\s@/]{0,500}))?@(?P<host>[\w.-]{1,200})"
    r"(?::\d{1,5})?(?:/(?P<database>[^\s?#/]{0,200}))?(?:[?#]\S*)?",
    re.IGNORECASE,
)
_ELSEWHERE: Final = frozenset(
    {"host", "hostname", "url", "uri", "dsn", "origin", "env", "environment", "debug", "level"}
)
_BUILDS: Final = lazy_re(r"^services\.[^.]+\.build(?:\.|$)")


def detect_agreement(facts: Facts) -> Iterator[Finding]:
    """The findings of one project."""
    yield from _defaults(facts)
    for service in facts.project.services.values():
        if service.active:
            yield from _port(facts, service)
            yield from _urls(facts, service)


def _defaults(facts: Facts) -> Iterator[Finding]:
    """One variable with several defaults."""
    for use in facts.uses.values():
        places = [p for p in use.places if p.operator in (":-", "-") and "$" not in p.operand]
        # A file that goes over another one may mean to have another default.
        places = [place for place in places if place.at.file == places[0].at.file]
        # A tag and an argument of a build (a branch) need not be the same even where one variable gives both.
        places = [place for place in places if not _BUILDS.match(place.path)] or places
        values = dict.fromkeys(place.operand for place in places)
        if len(values) > 1:
            yield _differing(facts, use.name, places)
        elif places and not is_secret_name(use.name) and not _ELSEWHERE & set(name_words(use.name)):
            yield from _source_default(facts, use.name, places[0])
            yield from _example_value(facts, use.name, places[0])


def _differing(facts: Facts, name: str, places: list[Variable]) -> Finding:
    first = places[0]
    others = [place for place in places if place.operand != first.operand]
    shown = "" if is_secret_name(name) else f" ({first.operand!r} and {others[0].operand!r})"
    edits = [
        Edit(start=place.at.start, end=place.at.end, text=f"${{{name}{place.operator}{first.operand}}}")
        for place in others
        if place.at.file == first.at.file and _is_written(facts, place)
    ]
    lines = ", ".join(dict.fromkeys(f"{place.at.file} line {place.at.line}" for place in (first, *others)[:4]))
    return make_finding(
        "env-default-differs",
        message=f"{name} has different defaults{shown}: {lines}. Without a value the services do not agree.",
        location=in_compose(others[0].at),
        places=tuple(in_compose(place.at) for place in (first, *others)),
        evidence=Evidence.DERIVED,
        identity=(first.at.file, name),
        fix=Fix(
            text=f"Give {name} the same default everywhere, or none and a line in the example.",
            patch=patch_of(facts.setup, first.at.file, edits) if len(edits) == len(others) and shown else None,
        ),
    )


def _is_written(facts: Facts, place: Variable) -> bool:
    text = facts.setup.tree.text(place.at.file) or ""
    return text[place.at.start : place.at.end] == f"${{{place.name}{place.operator}{place.operand}}}"


def _example_value(facts: Facts, name: str, place: Variable) -> Iterator[Finding]:
    """A default of the compose file and another value in the example: which one is the usual one?"""
    entry = facts.in_example(name)
    if entry is None or not entry.value or not place.operand or entry.value == place.operand:
        return
    yield make_finding(
        "env-default-differs",
        message=f"{name} is {place.operand!r} by default in {place.at.file} line {place.at.line}, and {entry.value!r} "
        f"in {entry.file} line {entry.line}: with and without a copy of it the project runs differently.",
        location=in_compose(place.at),
        places=(in_compose(place.at), in_env(entry.file, entry.line)),
        evidence=Evidence.DERIVED,
        identity=(place.at.file, name, entry.file),
        severity=Severity.LOW,
        fix=Fix(text=f"Write one value for {name} in both, or leave it out of {entry.file}."),
    )


def _source_default(facts: Facts, name: str, place: Variable) -> Iterator[Finding]:
    """A default of the compose file and another one in the sources that read the same variable."""
    for service in facts.project.services.values():
        for read in reads_of(service, facts.setup):
            if read.name != name or not read.default or read.default == place.operand or name in service.environment:
                continue
            yield make_finding(
                "env-default-differs",
                message=f"{name} is {place.operand!r} by default in {place.at.file} line {place.at.line}, and "
                f"{read.default!r} in {read.file} line {read.line}; {service.name} runs it and is not given {name}.",
                location=in_compose(place.at),
                evidence=Evidence.DERIVED,
                identity=(place.at.file, name, read.file),
                severity=Severity.LOW,
                fix=Fix(
                    text=f"Give {service.name} `{name}: ${{{name}:-{place.operand}}}`, so that both use one value."
                ),
            )
            return


def _port(facts: Facts, service: Service) -> Iterator[Finding]:
    """A port that the application is told to listen on, and that nothing is published from."""
    if service.build is None or not service.ports:
        return
    environment = known_environment(facts, service)
    names = {bind.port_variable for bind in binds_of(service, facts.setup) if bind.port_variable}
    targets = sorted({port.target for port in service.ports} | set(service.expose))
    for name in sorted(names or {"PORT"}):
        value = (environment or {}).get(name) or ""
        held = service.environment.get(name)
        if not value.isdigit() or (held is not None and held.value is not None and held.value.unset):
            continue
        if len(value) > 5 or int(value) in targets:
            continue
        entry = facts.in_example(name)
        said = f" ({entry.file} line {entry.line})" if entry is not None and entry.value == value else ""
        published = ", ".join(str(target) for target in targets)
        yield make_finding(
            "env-port-mismatch",
            message=f"{service.name} is told to listen on {name}={value}{said}, but its ports lead to {published}: "
            "nothing answers there.",
            location=in_compose(held.at if held else service.at),
            evidence=Evidence.DERIVED,
            identity=(service.at.file, service.name, name),
            fix=Fix(
                text=f"Let {name} be {published}, or publish `…:{value}`.",
                patch=_port_patch(facts, held.value if held else None, name, targets),
            ),
        )


def _port_patch(facts: Facts, text: Text | None, name: str, targets: list[int]) -> str | None:
    """The port of the mapping in place of the value, where that stands: in the compose file or in the example."""
    if len(targets) != 1:
        return None
    if text is not None and text.raw == text.value:
        source = facts.setup.tree.text(text.at.file) or ""
        at = source.find(text.raw, text.at.start, text.at.end)
        edit = Edit(start=at, end=at + len(text.raw), text=str(targets[0]))
        return patch_of(facts.setup, text.at.file, [edit]) if at >= 0 else None
    entry = facts.in_example(name)
    if entry is None or text is None or text.raw not in (f"${{{name}}}", f"${name}"):
        return None
    source = facts.setup.tree.text(entry.file) or ""
    start = sum(len(line) + 1 for line in source.split("\n")[: entry.line - 1])
    at = source.find(entry.raw, start + len(name))
    edit = Edit(start=at, end=at + len(entry.raw), text=str(targets[0]))
    return patch_of(facts.setup, entry.file, [edit]) if at >= 0 else None


@frozen
class Account:
    """What a database server makes at its first start: account, database, passwords by user. None: not known."""

    user: str
    database: str
    passwords: Mapping[str, str | None]


def account_of(facts: Facts, service: Service) -> Account | None:
    """The account of a database of a public image, by its variables; None where they are not all known."""
    known = known_image(service.image.value) if service.image and service.build is None else None
    environment = known_environment(facts, service)
    if known is None or environment is None or _hangs_on_unset(service):
        return None
    if known.family == "postgres":
        return _postgres(environment)
    if known.family in ("mysql", "mariadb"):
        return _mysql(environment)
    return None


def _hangs_on_unset(service: Service) -> bool:
    return any(variable.value is not None and variable.value.unset for variable in service.environment.values())


def _postgres(environment: Mapping[str, str | None]) -> Account | None:
    if any(name in environment for name in ("POSTGRES_USER_FILE", "POSTGRES_DB_FILE", "POSTGRESQL_USERNAME")):
        return None
    user = environment.get("POSTGRES_USER", "postgres") or "postgres"
    database = environment.get("POSTGRES_DB") or user
    return Account(user=user, database=database, passwords={user: environment.get("POSTGRES_PASSWORD")})


def _mysql(environment: Mapping[str, str | None]) -> Account | None:
    def value(key: str) -> str | None:
        return environment.get(f"MARIADB_{key}") or environment.get(f"MYSQL_{key}")

    user, database = value("USER"), value("DATABASE")
    if user is None or database is None:
        return None
    return Account(user=user, database=database, passwords={user: value("PASSWORD"), "root": value("ROOT_PASSWORD")})


def _urls(facts: Facts, service: Service) -> Iterator[Finding]:
    """URLs in the variables of a service that lead to a database of the project, against its account."""
    for name, variable in service.environment.items():
        text = variable.value
        match = _URL.fullmatch(text.value) if text is not None and not text.unset else None
        if match is None or text is None:
            continue
        server = find_server(facts.project, service, match["host"])
        target = facts.project.services.get(server) if server is not None else None
        account = account_of(facts, target) if target is not None else None
        if account is None or target is None:
            continue
        own_scripts = any(mount.target.startswith("/docker-entrypoint-initdb.d") for mount in target.mounts)
        for what, wrong, right in _disagreements(match, account):
            yield _disagreement(facts, service, name, text, target, (what, wrong, right), own_scripts=own_scripts)
            break


def _disagreements(match: re.Match[str], account: Account) -> Iterator[tuple[str, str, str]]:
    """What differs, with both values; those of passwords are empty."""
    user = unquote(match["user"])
    if user and user not in account.passwords:
        yield "user", user, account.user
    password = unquote(match["password"] or "")
    expected = account.passwords.get(user)
    if user in account.passwords and password and expected and password != expected:
        yield "password", "", ""
    database = unquote(match["database"] or "")
    made = {account.database, "postgres", "template1", "mysql", "information_schema"}
    if database and database not in made:
        yield "database", database, account.database


def _disagreement(
    facts: Facts,
    service: Service,
    name: str,
    text: Text,
    target: Service,
    difference: tuple[str, str, str],
    *,
    own_scripts: bool,
) -> Finding:
    what, wrong, right = difference
    shown = f"the {what} {wrong}, but {target.name} is set up with {right}"
    if what == "password":
        shown = f"another password than {target.name} is set up with"
    return make_finding(
        "env-database-url-mismatch",
        message=f"{name} of {service.name} names {shown}: the connection is refused.",
        location=in_compose(text.at),
        places=(in_compose(text.at), in_compose(target.keys.get("environment", target.at))),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name, name, what),
        # Scripts of the project's own may make further accounts and databases.
        severity=Severity.LOW if own_scripts and what != "password" else None,
        fix=Fix(
            text=f"Let {name} and the variables of {target.name} be made of the same variables, "
            "for example `postgres://${POSTGRES_USER}:…@" + target.name + "/${POSTGRES_DB}`.",
            patch=_url_patch(facts, text, what, wrong, right),
        ),
    )


def _url_patch(facts: Facts, text: Text, what: str, wrong: str, right: str) -> str | None:
    """The right user or database in the URL, where it is written without a variable."""
    if what == "password" or not wrong:
        return None
    source = facts.setup.tree.text(text.at.file) or ""
    written = source[text.at.start : text.at.end]
    before, after = ("://", "[:@]") if what == "user" else ("/", r"(?=[?#\"'\s]|$)")
    found = list(re.finditer(re.escape(before) + re.escape(wrong) + f"(?={after})", written))
    if len(found) != 1:
        return None
    start = text.at.start + found[0].start() + len(before)
    return patch_of(facts.setup, text.at.file, [Edit(start=start, end=start + len(wrong), text=right)])
