"""The nodes of the parser -> commands: which flags and how many arguments each instruction takes.

Refuses what `frontend/dockerfile/instructions` of moby/buildkit refuses (parse.go, bflag.go, commands_runmount.go). The
flags are those of the newest frontend, its labs channel included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from imgscan.dockerfile.lexer import GO_SPACE, LexError, unquote
from imgscan.dockerfile.syntax import Node, parse_heredoc_word, refused
from imgscan.dockerfile.tree import Command
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Instruction

_BOOLEAN: Final = "boolean"
_ONE: Final = "one"
_MANY: Final = "many"
# The flags of each instruction and what they take. ARG and STOPSIGNAL do not look at theirs, whatever they are.
_FLAGS: Final[dict[str, dict[str, str] | None]] = {
    "ADD": {
        "chown": _ONE,
        "chmod": _ONE,
        "link": _BOOLEAN,
        "keep-git-dir": _BOOLEAN,
        "checksum": _ONE,
        "exclude": _MANY,
        "unpack": _BOOLEAN,
    },
    "ARG": None,
    "CMD": {},
    "COPY": {"chown": _ONE, "from": _ONE, "chmod": _ONE, "link": _BOOLEAN, "parents": _BOOLEAN, "exclude": _MANY},
    "ENTRYPOINT": {},
    "ENV": {},
    "EXPOSE": {},
    "FROM": {"platform": _ONE},
    "HEALTHCHECK": dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), _ONE),
    "LABEL": {},
    "MAINTAINER": {},
    "ONBUILD": {},
    "RUN": {"mount": _MANY, "network": _ONE, "security": _ONE, "device": _MANY},
    "SHELL": {},
    "STOPSIGNAL": None,
    "USER": {},
    "VOLUME": {},
    "WORKDIR": {},
}
KEYWORDS: Final = frozenset(_FLAGS)
_STAGE_NAME: Final = lazy_re(r"[a-z][a-z0-9\-_.]*\Z")
# BuildKit reads flags byte by byte, so its µs never is one.
_DURATION_PART: Final = lazy_re(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|ms|s|m|h)")
_DURATION: Final = lazy_re(rf"([-+]?)(?:0|(?:{_DURATION_PART.pattern})+)\Z")
_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_MAX_DURATION_CHARS: Final = 1000
_NETWORKS: Final = ("default", "none", "host")
_SECURITY: Final = ("insecure", "sandbox")
_AT_LEAST_ONE: Final = ("ARG", "ENV", "LABEL", "EXPOSE", "VOLUME", "ONBUILD", "HEALTHCHECK", "SHELL")
_EXACTLY_ONE: Final = ("MAINTAINER", "WORKDIR", "USER", "STOPSIGNAL")
_NOT_TRIGGERS: Final = ("MAINTAINER", "FROM")


@frozen
class Place:
    """Where a command stands: stage index (-1 before the first FROM) and its place in the stage, FROM being 1."""

    stage: int
    ordinal: int
    file: str
    escape: str


def make_command(node: Node, place: Place) -> Command:
    """The command of a node. Raises InputError naming file and line for what BuildKit refuses."""
    try:
        flags = _check(node)
    except (ValueError, LexError) as error:
        raise refused(place.file, node.line, str(error)) from error
    trigger = _command(node.trigger, place, _split_flags(node.trigger), None) if node.trigger else None
    return _command(node, place, flags, trigger)


def _command(node: Node, place: Place, flags: tuple[tuple[str, str | None], ...], trigger: Command | None) -> Command:
    keyword = node.keyword.upper()
    words = node.arguments.words
    paired = keyword in ("ENV", "LABEL", "ARG")
    plain = keyword in ("ONBUILD",) or (keyword == "HEALTHCHECK" and not node.arguments.is_json)
    shown = tuple(unquote(word, place.escape) for word in words) if paired else words
    instruction = Instruction(
        stage=place.stage,
        ordinal=place.ordinal,
        keyword=keyword,
        text=node.text,
        file=place.file,
        line=node.line,
        end_line=node.end_line,
    )
    return Command(
        instruction=instruction,
        flags=flags,
        words=((node.rest,) if node.rest else ()) if plain else shown,
        value=node.rest,
        is_json=node.arguments.is_json,
        heredocs=node.heredocs,
        start=node.start,
        end=node.end,
        raw_words=words if paired else (),
        trigger=trigger,
    )


def _split_flags(node: Node) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    for flag in node.flags:
        name, equals, value = flag[2:].partition("=")
        found.append((name, value if equals else None))
    return tuple(found)


def _check(node: Node) -> tuple[tuple[str, str | None], ...]:
    """The flags of the node, once everything about it is found to be right; ValueError otherwise."""
    keyword = node.keyword.upper()
    if keyword not in KEYWORDS:
        raise ValueError(f"unknown instruction: {node.keyword}{_suggest(node.keyword, KEYWORDS)}")
    words = node.arguments.words
    if keyword in _AT_LEAST_ONE and not words:
        raise ValueError(f"{keyword} requires at least one argument")
    if keyword in _EXACTLY_ONE and len(words) != 1:
        raise ValueError(f"{keyword} requires exactly one argument")
    flags = _split_flags(node)
    known = _FLAGS[keyword]
    if known is not None and not (keyword == "HEALTHCHECK" and words[0].upper() == "NONE"):
        _check_flags(flags, known)
    check = _CHECKS.get(keyword)
    if check:
        check(node, words, flags)
    return flags


def _check_flags(flags: tuple[tuple[str, str | None], ...], known: dict[str, str]) -> None:
    used: set[str] = set()
    for name, value in flags:
        kind = known.get(name)
        if kind is None:
            raise ValueError(f"unknown flag: --{name}{_suggest(name, known, exact_case=True)}")
        if name in used and kind != _MANY:
            raise ValueError(f"duplicate flag specified: --{name}")
        used.add(name)
        if kind == _BOOLEAN:
            if value == "":
                raise ValueError(f"missing a value on flag: --{name}")
            if value is not None and value.lower() not in ("true", "false"):
                raise ValueError(f"expecting boolean value for flag --{name}, not: {value}")
        elif value is None:
            raise ValueError(f"missing a value on flag: --{name}")


type_of_check = Callable[[Node, tuple[str, ...], tuple[tuple[str, str | None], ...]], None]


def _check_from(_node: Node, words: tuple[str, ...], _flags: tuple[tuple[str, str | None], ...]) -> None:
    if len(words) == 3 and words[1].lower() == "as":
        if not _STAGE_NAME.match(words[2].lower()):
            raise ValueError(
                f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
            )
    elif len(words) != 1:
        raise ValueError("FROM requires either one or three arguments")


def _check_copy(node: Node, words: tuple[str, ...], _flags: tuple[tuple[str, str | None], ...]) -> None:
    keyword = node.keyword.upper()
    if len(words) < 2:
        raise ValueError(
            f"{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
        )
    try:
        destination_is_heredoc = parse_heredoc_word(words[-1]) is not None
    except LexError:
        destination_is_heredoc = False
    if destination_is_heredoc:
        raise ValueError(f"{keyword} cannot accept a heredoc as a destination")


def _check_pairs(node: Node, words: tuple[str, ...], _flags: tuple[tuple[str, str | None], ...]) -> None:
    if any(word.startswith("=") for word in words):
        raise ValueError(f"{node.keyword.upper()} names can not be blank")


def _check_run(_node: Node, _words: tuple[str, ...], flags: tuple[tuple[str, str | None], ...]) -> None:
    for name, value in flags:
        if name == "network" and value not in _NETWORKS:
            raise ValueError(f'invalid network mode "{value}"')
        if name == "security" and value not in _SECURITY:
            raise ValueError(f'security "{value}" is not valid')
        if name != "mount" or value is None:
            continue
        for key, option in mount_options(value):
            if key == "from" and option and re.search(r"\$[^\n]", option):
                raise ValueError("'from' doesn't support variable expansion, define alias stage instead")


def mount_options(value: str) -> tuple[tuple[str, str | None], ...]:
    """The options of a `--mount=...` value in order, keys in lower case; None for one without `=`.

    The value is a line of CSV as encoding/csv of Go reads it. Raises ValueError for what it refuses.
    """
    options: list[tuple[str, str | None]] = []
    for field in _csv_fields(value):
        key, equals, option = field.partition("=")
        options.append((key.lower(), option if equals else None))
    return tuple(options)


def _csv_fields(line: str) -> list[str]:
    line = line.lstrip("\n")
    if not line:
        raise ValueError("failed to parse csv mounts: EOF")
    fields: list[str] = []
    pos = 0
    while True:
        if not line.startswith('"', pos):
            end = line.find(",", pos)
            field = line[pos:] if end < 0 else line[pos:end]
            if '"' in field:
                raise ValueError('failed to parse csv mounts: bare " in non-quoted-field')
            pos = len(line) if end < 0 else end
        else:
            field, pos = _quoted_field(line, pos + 1)
        fields.append(field)
        if pos >= len(line):
            return fields
        pos += 1


def _quoted_field(line: str, pos: int) -> tuple[str, int]:
    out: list[str] = []
    while True:
        end = line.find('"', pos)
        if end < 0:
            raise ValueError('failed to parse csv mounts: extraneous or missing " in quoted-field')
        out.append(line[pos:end])
        pos = end + 1
        if line.startswith('"', pos):
            out.append('"')
            pos += 1
        elif pos == len(line) or line[pos] == ",":
            return "".join(out), pos
        else:
            raise ValueError('failed to parse csv mounts: extraneous or missing " in quoted-field')


def _check_healthcheck(node: Node, words: tuple[str, ...], flags: tuple[tuple[str, str | None], ...]) -> None:
    kind = words[0].upper()
    if kind == "NONE":
        if len(words) > 1:
            raise ValueError("HEALTHCHECK NONE takes no arguments")
        return
    if kind != "CMD":
        raise ValueError(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    if len(words) < 2:
        raise ValueError("Missing command after HEALTHCHECK CMD")
    for name, value in flags:
        if value and name == "retries":
            _check_retries(value)
        elif value:
            _check_interval(name, value)


def _check_retries(value: str) -> None:
    if not re.fullmatch(r"[-+]?[0-9]+", value, re.ASCII) or not -(2**31) <= _integer(value) < 2**31:
        raise ValueError(f'invalid --retries: "{value}"')
    if _integer(value) < 0:
        raise ValueError(f"--retries cannot be negative ({value})")


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 20 else 2**63


def _check_interval(name: str, value: str) -> None:
    """What time.ParseDuration of Go takes, and at least one millisecond unless it is 0."""
    match = _DURATION.match(value)
    if not match or len(value) > _MAX_DURATION_CHARS:
        raise ValueError(f'invalid duration "{value}" for --{name}')
    parts = _DURATION_PART.findall(value)
    nanoseconds = 0
    for number, unit in parts:
        whole, _, fraction = number.partition(".")
        nanoseconds += int(f"0{whole}{fraction}") * _NANOSECONDS[unit] // 10 ** len(fraction)
    negative = match.group(1) == "-"
    if nanoseconds > 2**63 - (not negative):
        raise ValueError(f'invalid duration "{value}" for --{name}')
    if nanoseconds and (negative or nanoseconds < _NANOSECONDS["ms"]):
        raise ValueError(f'Interval "{name}" cannot be less than 1ms')


def _check_volume(_node: Node, words: tuple[str, ...], _flags: tuple[tuple[str, str | None], ...]) -> None:
    if not all(word.strip(GO_SPACE) for word in words):
        raise ValueError("VOLUME specified can not be an empty string")


def _check_shell(node: Node, _words: tuple[str, ...], _flags: tuple[tuple[str, str | None], ...]) -> None:
    if not node.arguments.is_json:
        raise ValueError("SHELL requires the arguments to be in JSON form")


def _check_onbuild(_node: Node, words: tuple[str, ...], _flags: tuple[tuple[str, str | None], ...]) -> None:
    trigger = words[0].strip(GO_SPACE).upper()
    if trigger == "ONBUILD":
        raise ValueError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in _NOT_TRIGGERS:
        raise ValueError(f"{trigger} isn't allowed as an ONBUILD trigger")


_CHECKS: Final[dict[str, type_of_check]] = {
    "ADD": _check_copy,
    "ARG": _check_pairs,
    "COPY": _check_copy,
    "ENV": _check_pairs,
    "FROM": _check_from,
    "HEALTHCHECK": _check_healthcheck,
    "LABEL": _check_pairs,
    "ONBUILD": _check_onbuild,
    "RUN": _check_run,
    "SHELL": _check_shell,
    "VOLUME": _check_volume,
}


def _suggest(word: str, options: Iterable[str], *, exact_case: bool = False) -> str:
    """BuildKit's ` (did you mean X?)` for the nearest option at most two edits away."""
    wanted = word if exact_case else word.lower()
    best, nearest = "", 3
    for option in sorted(options):
        spelled = option if exact_case else option.lower()
        distance = _edit_distance(wanted, spelled, nearest)
        if distance < nearest:
            best, nearest = spelled, distance
    if not best:
        return ""
    return f" (did you mean {best.upper() if not exact_case and word.isupper() else best}?)"


def _edit_distance(left: str, right: str, limit: int) -> int:
    """Levenshtein distance, or `limit` as soon as it cannot be less."""
    if abs(len(left) - len(right)) >= limit:
        return limit
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        above, row = row, [i]
        for j, b in enumerate(right, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]
