"""Health checks whose text is wrong: `localhost`, the socket of a database that still starts, variables that compose
replaces, commands that cannot fail (OPS-001-03, -05, -06). Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.compose.records import Variable
from imgscan.project.health.bases import base_kind, installs
from imgscan.project.health.checks import Check, calls, probes_of
from imgscan.project.listening import Listener
from imgscan.project.mend import argument_after, patch_of, replaced
from imgscan.project.scene import Scene, at
from imgscan.rulebook import make_finding

_IPV4: Final = ("0.0.0.0", "127.0.0.1")  # noqa: S104 - nothing is bound here
_DUAL: Final = frozenset({"http", "express", "koa", "nest", "hono", "ws", "net/http", "net", "gin", "echo"})
_GREEN_END: Final = lazy_re(r"(?:\|\||;)\s*(?:exit\s+0|true|:)\s*(?:[\"']?\s*)?$")
_GREEN: Final = frozenset({"true", ":", "/bin/true", "echo"})
_FAILS: Final = lazy_re(r"-[a-zA-Z]*f[a-zA-Z]*|--fail(?:-with-body)?")


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    check = scene.check
    if check is None:
        return
    yield from _localhost(scene, check)
    yield from _socket(scene, check)
    yield from _replaced_by_compose(scene, check)
    yield from _green(scene, check)


def _localhost(scene: Scene, check: Check) -> Iterator[Finding]:
    probe = next((p for p in probes_of(check) if p.host == "localhost" and p.program == "wget"), None)
    kind = base_kind(scene.image)
    if probe is None or kind in ("slim", "distroless", "scratch") or installs(scene.image, "wget"):
        return
    if scene.listening.listeners and all(_takes_both(each) for each in scene.listening.listeners):
        return
    bind = next((each for each in scene.listening.listeners if _is_ipv4_only(each)), None)
    derived = bind is not None and kind == "alpine"
    where = f"{bind.bind.file}:{bind.bind.line} binds {bind.bind.host or bind.host}" if bind else ""
    why = (
        f"{where}, IPv4 only: the two defeat each other, and the service stays unhealthy where the container has ::1"
        if bind
        else "a server that listens on IPv4 only is then unhealthy where the container has ::1"
    )
    places = (check.location, *((_place_of(bind),) if bind else ()))
    patch = None
    if check.mark is not None:
        patch = patch_of(scene.setup, check.mark.file, replaced(scene.setup, check.mark, "localhost", "127.0.0.1"))
    elif check.command is not None:
        patch = patch_of(scene.setup, check.command.instruction.file, _in_dockerfile(scene, check))
    yield make_finding(
        "ops-health-localhost",
        message=(
            f"the health check of {scene.name} asks localhost by busybox's wget, which tries ::1 alone (Engine 26 and "
            f"later have it); {why}."
        ),
        location=check.location,
        places=places,
        evidence=Evidence.DERIVED if derived else Evidence.PATTERN,
        identity=scene.identity,
        severity=Severity.HIGH if derived else None if kind == "alpine" else Severity.LOW,
        fix=Fix(text=f"Ask 127.0.0.1 instead of localhost in the health check of {scene.name}.", patch=patch),
    )


def _is_ipv4_only(listener: Listener) -> bool:
    """Whether it listens on IPv4 addresses alone: 0.0.0.0 was written, or a loopback address of that family."""
    said = listener.bind.host
    return listener.sure and said in _IPV4 and (listener.host is None or listener.host in _IPV4)


def _takes_both(listener: Listener) -> bool:
    """Whether it listens on :: for IPv4 as well, as Node and Go do where they are told no host."""
    bind = listener.bind
    untold = listener.host is None and bind.host is None and bind.host_variable is None and bind.framework in _DUAL
    return listener.sure and (untold or bind.host == "::")


def _place_of(listener: Listener) -> Location:
    return Location(place=Place.CONTEXT, path=listener.bind.file, line=listener.bind.line)


def _in_dockerfile(scene: Scene, check: Check) -> list[Edit]:
    command = check.command
    text = scene.setup.tree.text(command.instruction.file) if command else None
    if command is None or text is None:
        return []
    return [
        Edit(start=found.start(), end=found.end(), text="127.0.0.1")
        for found in re.finditer(r"\blocalhost\b", text)
        if command.start <= found.start() < command.end
    ]


def _socket(scene: Scene, check: Check) -> Iterator[Finding]:
    if scene.image.known is None or scene.image.known.kind != "database":
        return
    for program, has_host in (("pg_isready", _pg_host), ("mysqladmin", _mysql_host), ("mariadb-admin", _mysql_host)):
        call = next(calls(check, program), None)
        if call is None or has_host(call.words):
            continue
        edits = _with(scene, check, program, "-h", "127.0.0.1")
        blind = " It also exits 0 for a user and a database that do not exist." if program == "pg_isready" else ""
        yield make_finding(
            "ops-health-over-socket",
            message=(
                f"the health check of {scene.name} asks {program} without -h, over the socket: on the first start the "
                "image runs a server there while it still loads its init scripts, and dependents are released before "
                f"the port answers.{blind}"
            ),
            location=check.location,
            evidence=Evidence.PATTERN,
            identity=(*scene.identity, program),
            fix=Fix(
                text=f"Add `-h 127.0.0.1` to {program} in the health check of {scene.name}.",
                patch=patch_of(scene.setup, check.mark.file, edits) if check.mark else None,
            ),
        )


def _with(scene: Scene, check: Check, program: str, *arguments: str) -> list[Edit]:
    """A program of the test with more arguments, where a compose file has it."""
    shell = check.script is not None or posixpath.basename((check.words or ("",))[0]) in ("sh", "bash", "ash")
    return argument_after(scene.setup, check.mark, program, *arguments, shell=shell) if check.mark else []


def _pg_host(words: tuple[str, ...]) -> bool:
    return any(word.startswith(("-h", "--host")) for word in words[1:])


def _mysql_host(words: tuple[str, ...]) -> bool:
    """Whether it goes over TCP: for MySQL's clients localhost means the socket."""
    text = " ".join(words[1:])
    given = re.search(r"(?:-h\s*|--host[= ])(\S+)", text)
    return (given is not None and given[1] != "localhost") or "--protocol" in text or "-P" in text.split()


def _replaced_by_compose(scene: Scene, check: Check) -> Iterator[Finding]:
    mark = check.mark
    if mark is None or not scene.service.env_files:
        return
    prefix = f"services.{scene.name}.healthcheck.test"
    uses = [v for v in scene.project.variables if v.path.startswith(prefix) and v.at.file == mark.file]
    uses = [use for use in uses if mark.start <= use.at.start < mark.end and _only_in_container(scene, use)]
    if not uses:
        return
    names = ", ".join(sorted({use.name for use in uses}))
    edits = [Edit(start=use.at.start, end=use.at.start, text="$") for use in uses] if check.script is not None else []
    yield make_finding(
        "ops-health-compose-variable",
        message=(
            f"compose itself replaces {names} in the health check of {scene.name}, from its own environment, while the "
            "container gets its value from env_file: the check may ask for another one than the service has."
        ),
        location=at(uses[0].at),
        evidence=Evidence.PATTERN,
        identity=(*scene.identity, names),
        fix=Fix(
            text=f"Write `$$` before {names} (in a CMD-SHELL test): it is then replaced in the container.",
            patch=patch_of(scene.setup, mark.file, edits),
        ),
    )


def _only_in_container(scene: Scene, use: Variable) -> bool:
    """Whether the container gets the variable from an env file and not, by compose's own value, from `environment`."""
    return use.name not in scene.service.environment and use.value is None


def _green(scene: Scene, check: Check) -> Iterator[Finding]:
    reason, edits = _never_fails(scene, check)
    if reason is None:
        return
    patch = patch_of(scene.setup, check.mark.file, edits) if check.mark else None
    yield make_finding(
        "ops-health-always-green",
        message=f"the health check of {scene.name} cannot fail: {reason}.",
        location=check.location,
        evidence=Evidence.PATTERN,
        identity=scene.identity,
        fix=Fix(text="Let the check's own exit code decide: `curl -f`, and no `|| true` behind it.", patch=patch),
    )


def _never_fails(scene: Scene, check: Check) -> tuple[str | None, list[Edit]]:
    """Why a check always succeeds, and the edits that let it fail."""
    text = check.script if check.script is not None else (check.commands[-1].text if check.commands else "")
    strict = _with(scene, check, "curl", "-f") if _curl_takes_all(check) else []
    end = _GREEN_END.search(text.strip())
    if end:
        found = end[0].strip(" \"'")
        edits = replaced(scene.setup, check.mark, found, "|| exit 1") if check.mark else []
        return f"it ends with `{found}`", edits + strict
    programs = [command.words[0] for command in check.commands if command.words]
    if programs and all(program in _GREEN for program in programs):
        return f"`{programs[0]}` always succeeds", []
    if _curl_takes_all(check):
        return "curl without -f exits 0 for the answer 500 as well", strict
    return None, []


def _curl_takes_all(check: Check) -> bool:
    """Whether curl's exit code decides, and curl succeeds whatever the answer's status is."""
    words = [word for call in calls(check, "curl") for word in call.words[1:]]
    piped = re.search(r"(?<!\|)\|(?!\|)", check.text)
    return bool(words) and not piped and not any(_FAILS.fullmatch(w) or "%{http_code}" in w for w in words)
