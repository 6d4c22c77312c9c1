"""Health checks against the image that was built: is the program that they call in it (OPS-001-04)?

In: the checks, and whether a path is in the image's final root file system. Out: findings. Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from imgscan.dockerfile.shellwords import simple_commands
from imgscan.frozen import frozen
from imgscan.model import Evidence, Finding, Fix, Location, Place, SourceLine
from imgscan.project.health.checks import check_of
from imgscan.project.serviceimages import service_image
from imgscan.project.setup import Setup
from imgscan.rulebook import make_finding

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the engine takes where the image sets no PATH."""
_SHELL: Final = "/bin/sh"
_LONGEST: Final = 20_000
_MOST: Final = 50
_BUILTINS: Final = frozenset(
    [
        *(
            "test",
            "[",
            "[[",
            "exit",
            "echo",
            "true",
            "false",
            ":",
            ".",
            "cd",
            "kill",
            "exec",
            "set",
            "export",
            "printf",
        ),
        *("read", "trap", "wait", "command", "type", "ulimit", "umask", "unset", "eval", "return", "shift", "local"),
        *("break", "continue", "for", "case", "function", "select", "source", "let", "pwd", "hash", "times", "alias"),
    ]
)


@frozen
class CheckedTest:
    """A check as the engine runs it: words that are run as they are, or the one text that a shell runs. `who` names it
    in messages, `where` is its place."""

    who: str
    where: Location
    words: tuple[str, ...] = ()
    script: str | None = None


def image_test(healthcheck: tuple[str, ...] | None, line: SourceLine | None = None) -> CheckedTest | None:
    """The check of an image's configuration (`Test` of its Healthcheck); `line` is the instruction that it is from."""
    place = Location(place=Place.HEALTHCHECK, path="Healthcheck", dockerfile=line)
    if not healthcheck or len(healthcheck) < 2:
        return None
    if healthcheck[0] == "CMD-SHELL":
        return CheckedTest(who="the image's health check", where=place, script=healthcheck[1])
    if healthcheck[0] == "CMD":
        return CheckedTest(who="the image's health check", where=place, words=healthcheck[1:])
    return None


def compose_tests(setup: Setup, dockerfile: str, target: str | None) -> Iterator[CheckedTest]:
    """The checks that compose files give to services that are built by a Dockerfile (a path of the tree)."""
    for project in setup.composes:
        for service in project.services.values():
            build = service.build
            if build is None or build.dockerfile != dockerfile or (build.target or None) != (target or None):
                continue
            check = check_of(service, service_image(service, setup))
            if check is not None and check.mark is not None:
                who = f"the health check of service {service.name}"
                yield CheckedTest(who=who, where=check.location, words=check.words, script=check.script)


def names_in(tests: Iterable[CheckedTest]) -> frozenset[str]:
    """The last components of the paths that `detect` asks for."""
    found = {posixpath.basename(program) for test in tests for program in programs_of(test)}
    return frozenset({*found, posixpath.basename(_SHELL)})


def programs_of(test: CheckedTest) -> tuple[str, ...]:
    """The programs that a check calls, as written; those of the shell itself are none."""
    if test.script is None:
        words = test.words[:1]
        inner = (
            test.words[2] if len(test.words) > 2 and posixpath.basename(test.words[0]) in ("sh", "bash", "ash") else ""
        )
        script = inner if inner and test.words[1].endswith("c") else ""
    else:
        words, script = (), test.script
    called = [simple.words[0] for simple in simple_commands(script[:_LONGEST]) if simple.words]
    outside = [word for word in called if word not in _BUILTINS and not set(word) & set("$`*?(){}<>")]
    return tuple(dict.fromkeys((*words, *outside)))[:_MOST]


def detect(
    tests: Iterable[CheckedTest], exists: Callable[[str], bool], path: str | None = None, workdir: str = "/"
) -> Iterator[Finding]:
    """The findings. `path` is the image's PATH, `workdir` its working directory."""
    folders = (path or DEFAULT_PATH).split(":")
    for test in tests:
        if test.script is not None and not exists(_SHELL):
            yield _missing(test, _SHELL)
            continue
        for program in programs_of(test):
            if not any(exists(place) for place in _places(program, folders, workdir)):
                yield _missing(test, program)


def _places(program: str, folders: list[str], workdir: str) -> list[str]:
    if program.startswith("/"):
        return [program]
    if "/" in program:
        return [posixpath.join(workdir or "/", program)]
    return [posixpath.join(folder or workdir or "/", program) for folder in folders]


def _missing(test: CheckedTest, program: str) -> Finding:
    return make_finding(
        "ops-health-binary-missing",
        message=f"{test.who} calls {program}, which is not in the image: it fails every time.",
        location=test.where,
        evidence=Evidence.OBSERVED,
        identity=(test.who, program),
        fix=Fix(text=f"Install {program} in the final stage, or ask with a program that the image has."),
    )
