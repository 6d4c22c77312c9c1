"""Any builder's stream -> what it says: sniffs whose words the records are and hands them to that parser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from imgscan.build.buildkit import BuildkitParser
from imgscan.build.classic import ClassicParser
from imgscan.build.podman import PodmanParser
from imgscan.build.steps import StepEvent, StreamParser
from imgscan.lazyre import lazy_re

PARSERS: Final[Mapping[str, Callable[[], StreamParser]]] = {
    "buildkit": BuildkitParser,
    "classic": ClassicParser,
    "podman": PodmanParser,
}
_CLASSIC_STEP: Final = lazy_re(r"Step \d+/\d+ : ")
_PODMAN_STEP: Final = lazy_re(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: ")
_MAX_WAITING: Final = 1000


def sniff(record: Mapping[str, Any]) -> str | None:
    """The builder that wrote a record; None when it could be any."""
    if str(record.get("id", "")).startswith("moby.buildkit."):
        return "buildkit"
    line = record.get("stream")
    if not isinstance(line, str):
        return None
    if _CLASSIC_STEP.match(line):
        return "classic"
    return "podman" if _PODMAN_STEP.match(line) else None


def read_stream(
    records: Iterable[Mapping[str, Any]],
    *,
    expected: str,
    clock: Callable[[], float],
    on_event: Callable[[StepEvent], None],
    on_parser: Callable[[StreamParser], None] = lambda parser: None,
) -> StreamParser:
    """Read the records to the end; the parser that understood them, finished.

    `expected` is the parser for a stream that never says whose it is (an error before the first step). `clock` gives
    seconds since the epoch. `on_parser` is told of the parser as soon as there is one: it knows what has been made even
    if the reading is interrupted.
    """
    parser: StreamParser | None = None
    waiting: list[tuple[Mapping[str, Any], float]] = []
    try:
        for record in records:
            waiting.append((record, clock()))
            if parser is None:
                builder = sniff(record)
                if builder is None and len(waiting) < _MAX_WAITING:
                    continue
                parser = PARSERS[builder or expected]()
                on_parser(parser)
            _drain(parser, waiting, on_event)
    finally:
        if parser is not None:
            parser.finish(clock())
    if parser is None:
        parser = PARSERS[expected]()
        on_parser(parser)
        _drain(parser, waiting, on_event)
    return parser


def _drain(
    parser: StreamParser, waiting: list[tuple[Mapping[str, Any], float]], on_event: Callable[[StepEvent], None]
) -> None:
    for record, now_s in waiting:
        for event in parser.feed(record, now_s):
            on_event(event)
    waiting.clear()
