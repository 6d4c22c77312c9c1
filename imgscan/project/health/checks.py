"""The health check that a service really has: compose's over the image's, taken apart into commands and addresses.

In: a service with its image. Out: `Check`. Pure. Semantics: docs.docker.com/reference/compose-file/services
(healthcheck) and the HEALTHCHECK instruction; defaults are those of the engine (30 s, 30 s, 3, 0 s).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.dockerfile.parse import Command
from imgscan.dockerfile.shellwords import SimpleCommand, simple_commands
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Location, Place
from imgscan.project.compose.records import Mark, Service
from imgscan.project.compose.values import duration
from imgscan.project.network.endpoints import Endpoint, endpoints_of
from imgscan.project.serviceimages import ServiceImage

INTERVAL_S: Final = 30.0
TIMEOUT_S: Final = 30.0
RETRIES: Final = 3
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_LONGEST: Final = 20_000
_URL_PATH: Final = lazy_re(r"[a-z]+://[^/\s'\"`]+(?P<path>/[^\s'\"`?#]*)?", re.IGNORECASE)
_CLIENTS: Final = frozenset({"curl", "wget"})
_CURL_VALUES: Final = frozenset(
    {
        *("--noproxy", "-x", "--proxy", "-H", "--header", "-A", "--user-agent", "-e", "--referer", "--interface"),
        *("--resolve", "--connect-to", "-u", "--user", "-o", "--output", "-d", "--data", "-m", "--max-time"),
    }
)
"""Options of curl whose next word is a value, not an address to ask (curl(1))."""
_HTTP_VALUE: Final = lazy_re(r"\$\{?[A-Za-z_][A-Za-z0-9_]*(?::?-([^}]*))?\}?")


@frozen
class Probe:
    """An address that a check asks: by which program, and with which path (None: no HTTP, or not known)."""

    program: str
    host: str
    port: int | None
    path: str | None


@frozen
class Check:
    """A health check. `mark` is its test's text in a compose file, None for one of a Dockerfile (`command`). `script`:
    a shell runs it, as this text; else `words` are run as they are. Times are seconds, as the engine takes them;
    `start_period_s` None: not written."""

    location: Location
    words: tuple[str, ...]
    script: str | None
    commands: tuple[SimpleCommand, ...]
    interval_s: float
    timeout_s: float
    retries: int
    start_period_s: float | None
    start_interval_s: float | None
    mark: Mark | None = None
    command: Command | None = None

    @property
    def text(self) -> str:
        """The test in one line."""
        return self.script if self.script is not None else " ".join(self.words)


def check_of(service: Service, image: ServiceImage) -> Check | None:
    """The check of a service; None where it has none, it is disabled, or only the base image knows."""
    own = service.healthcheck
    if own is not None and own.disabled:
        return None
    built = image.last("HEALTHCHECK")
    base = _of_dockerfile(built) if built is not None else None
    if own is None or own.test is None:
        return _with_times(base, service) if base is not None else None
    test = own.test
    location = Location(place=Place.COMPOSE, path=test.at.file, line=test.at.line)
    words = test.words[1:] if test.words[:1] == ("CMD",) and not test.shell else test.words
    script = words[0] if test.shell and words else None
    return Check(
        location=location,
        words=words,
        script=script,
        commands=_commands(words, script),
        interval_s=own.interval_s or (base.interval_s if base else INTERVAL_S),
        timeout_s=own.timeout_s or (base.timeout_s if base else TIMEOUT_S),
        retries=own.retries or (base.retries if base else RETRIES),
        start_period_s=own.start_period_s if own.start_period_s is not None else base.start_period_s if base else None,
        start_interval_s=own.start_interval_s,
        mark=test.at,
    )


def is_disabled(service: Service, image: ServiceImage) -> bool:
    """Whether somebody switched the check off."""
    if service.healthcheck is not None and service.healthcheck.disabled:
        return True
    built = image.last("HEALTHCHECK")
    no_test = service.healthcheck is None or service.healthcheck.test is None
    return built is not None and no_test and built.value.strip().upper() == "NONE"


def may_be_checked(service: Service, image: ServiceImage) -> bool:
    """Whether the image that is not built here may come with a check of its own: unknown ones may, known ones tell."""
    if is_disabled(service, image):
        return False
    return image.known.checked if image.known is not None else True


def _of_dockerfile(command: Command) -> Check | None:
    kind, _, rest = command.value.lstrip().partition(" ")
    words = command.words[1:] if command.is_json else (rest.strip(),)
    if kind.upper() != "CMD" or not words or not words[0]:
        return None
    script = None if command.is_json else words[0]
    return Check(
        location=dockerfile_line(command),
        words=words,
        script=script,
        commands=_commands(words, script),
        interval_s=_flag(command, "interval") or INTERVAL_S,
        timeout_s=_flag(command, "timeout") or TIMEOUT_S,
        retries=int(_flag(command, "retries") or RETRIES),
        start_period_s=_flag(command, "start-period"),
        start_interval_s=_flag(command, "start-interval"),
        command=command,
    )


def _flag(command: Command, name: str) -> float | None:
    value = command.flag(name) or ""
    return float(value) if value.isdigit() and len(value) < 10 else duration(value)


def _with_times(base: Check, service: Service) -> Check:
    """The image's test with the times that compose gives it."""
    own = service.healthcheck
    if own is None:
        return base
    return Check(
        location=base.location,
        words=base.words,
        script=base.script,
        commands=base.commands,
        interval_s=own.interval_s or base.interval_s,
        timeout_s=own.timeout_s or base.timeout_s,
        retries=own.retries or base.retries,
        start_period_s=own.start_period_s if own.start_period_s is not None else base.start_period_s,
        start_interval_s=own.start_interval_s or base.start_interval_s,
        command=base.command,
    )


def _commands(words: tuple[str, ...], script: str | None) -> tuple[SimpleCommand, ...]:
    if script is None and len(words) >= 3 and posixpath.basename(words[0]) in _SHELLS and words[1].endswith("c"):
        script = words[2]
    if script is not None:
        return simple_commands(script[:_LONGEST])
    return (SimpleCommand(words=words, assignments=(), text=" ".join(words)),) if words else ()


def calls(check: Check, *programs: str) -> Iterator[SimpleCommand]:
    """The calls of a program in a check."""
    for command in check.commands:
        if command.words and posixpath.basename(command.words[0]) in programs:
            yield command


def probes_of(check: Check) -> Iterator[Probe]:
    """The addresses that a check asks: URLs of HTTP clients, of code given to node or python, `nc host port`."""
    for command in check.commands:
        program = posixpath.basename(command.words[0]) if command.words else ""
        for word in command.words[1:]:
            yield from _urls(program, word)
        if program in _CLIENTS and not any("://" in word for word in command.words):
            yield from _bare(program, command)
        if program in ("nc", "ncat", "netcat"):
            rest = [word for word in command.words[1:] if not word.startswith("-")]
            if len(rest) >= 2 and rest[1].isdigit() and len(rest[1]) <= 5:
                yield Probe(program=program, host=rest[0], port=int(rest[1]), path=None)


def _urls(program: str, word: str) -> Iterator[Probe]:
    plain = _HTTP_VALUE.sub(lambda found: found[1] or "", word)
    unknown = plain != word
    for found in _URL_PATH.finditer(plain):
        for endpoint in endpoints_of(found[0])[:1]:
            yield _probe(program, endpoint, found["path"] or "/", unknown=unknown)


def _probe(program: str, endpoint: Endpoint, path: str, *, unknown: bool) -> Probe:
    port = None if unknown else endpoint.port
    return Probe(program=program, host=endpoint.host, port=port, path=None if unknown or "$" in path else path)


def _bare(program: str, command: SimpleCommand) -> Iterator[Probe]:
    """`curl -f localhost:8080/health`: a URL without its scheme."""
    for before, word in pairwise(command.words):
        if program == "curl" and before in _CURL_VALUES:
            continue
        found = re.fullmatch(r"(localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(?::(\d{1,5}))?(/[^\s?#]*)?", word)
        if found:
            port = int(found[2]) if found[2] else 80
            yield Probe(program=program, host=found[1], port=port, path=found[3] or "/")
