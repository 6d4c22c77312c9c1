"""BuildKit's stream (`POST /build?version=2`): `moby.buildkit.trace` records -> the user's steps.

Each record carries a base64 protocol buffer `moby.buildkit.v1.StatusResponse` (moby/buildkit api/services/control/
control.proto). A vertex comes several times as its state changes; its digest is the same within one build only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imgscan.build.protobuf import WireError, read_fields, signed, text
from imgscan.build.steps import LogTail, Outcome, RawStep, StepEvent, StepState, reachable, seconds_of
from imgscan.lazyre import lazy_re
from imgscan.model import Interval

_TRACE: Final = "moby.buildkit.trace"
_IMAGE_ID: Final = "moby.image.id"
_MAX_WARNINGS: Final = 50
_CONTEXT_VERTICES: Final = frozenset({"copy /context /"})
_EXPORTING: Final = "exporting to "
# `[linux/arm64 build  2/12] RUN make`: platform only in multi-platform builds, stage only when there are several; see
# prefixCommand in moby/buildkit frontend/dockerfile/dockerfile2llb/convert.go. Stage names hold no blank or slash.
_USER_STEP: Final = lazy_re(
    r"\[(?:(?P<platform>[^\s\[\]]*/[^\s\[\]]*) )?(?:(?P<stage>[^\s/\[\]]+) )? *"
    r"(?P<ordinal>\d+)/(?P<total>\d+)\] (?P<link>LINK )?(?P<text>.*)",
    re.DOTALL,
)


@dataclass(slots=True)
class _Vertex:
    digest: str
    inputs: tuple[str, ...] = ()
    name: str = ""
    cached: bool = False
    error: str = ""
    intervals: dict[float, float | None] = field(default_factory=dict)
    log: LogTail = field(default_factory=LogTail)

    @property
    def done(self) -> bool:
        return bool(self.intervals) and all(end is not None for end in self.intervals.values())

    @property
    def canceled(self) -> bool:
        return "context canceled" in self.error or self.error.endswith(
            "Canceled: grpc: the client connection is closing"
        )


class BuildkitParser:
    """Collects vertices; see `steps.StreamParser`."""

    builder = "buildkit"

    def __init__(self) -> None:
        self._vertices: dict[str, _Vertex] = {}
        self._told: dict[str, StepState] = {}
        self._warnings: list[str] = []
        self._image_id: str | None = None
        self._error: str | None = None

    def feed(self, record: Mapping[str, Any], now_s: float) -> Iterator[StepEvent]:
        """Take in one record; `now_s` is not needed, BuildKit's times come with the vertices."""
        if record.get("id") == _TRACE and isinstance(record.get("aux"), str):
            yield from self._feed_trace(record["aux"])
        elif record.get("id") == _IMAGE_ID and isinstance(record.get("aux"), dict):
            self._image_id = str(record["aux"].get("ID") or "") or None
        else:
            self._error = error_of(record) or self._error

    def finish(self, now_s: float) -> None:
        """A vertex that is still open ends with the build."""
        for vertex in self._vertices.values():
            vertex.intervals = {
                start: max(start, now_s) if end is None else end for start, end in vertex.intervals.items()
            }

    def steps(self) -> tuple[RawStep, ...]:
        """The user's steps; several vertices of one step (`COPY --link`, ADD of a URL) are one."""
        groups: dict[tuple[str, str, int], list[_Vertex]] = {}
        names: dict[tuple[str, str, int], re.Match[str]] = {}
        for vertex in self._vertices.values():
            name = _USER_STEP.match(vertex.name)
            if name:
                key = (name["platform"] or "", name["stage"] or "", int(name["ordinal"]))
                groups.setdefault(key, []).append(vertex)
                names.setdefault(key, name)
        indices = {v.digest: at for at, vertices in enumerate(groups.values()) for v in vertices}
        inputs = {vertex.digest: vertex.inputs for vertex in self._vertices.values()}
        return tuple(
            _raw_step(names[key], vertices, reachable((i for v in vertices for i in v.inputs), inputs, indices, at))
            for at, (key, vertices) in enumerate(groups.items())
        )

    @property
    def outcome(self) -> Outcome:
        """The end of the build; a vertex that failed by itself counts before those canceled because of it."""
        failed = next((v for v in self._vertices.values() if v.error and not v.canceled), None)
        log = "".join(v.log.text() for v in self._vertices.values() if not _USER_STEP.match(v.name))
        return Outcome(
            image_id=self._image_id,
            error=self._error,
            failed=failed.name if failed and not _USER_STEP.match(failed.name) else None,
            log=log,
            warnings=tuple(self._warnings),
            context_intervals=self._intervals(lambda vertex: vertex.name in _CONTEXT_VERTICES and not vertex.cached),
            export_intervals=self._intervals(lambda vertex: vertex.name.startswith(_EXPORTING)),
            span=self._span(),
        )

    def _intervals(self, wanted: Callable[[_Vertex], bool]) -> tuple[Interval, ...]:
        return tuple(
            Interval(start_s=start, end_s=end)
            for vertex in self._vertices.values()
            if wanted(vertex)
            for start, end in vertex.intervals.items()
            if end is not None
        )

    def _span(self) -> Interval | None:
        times = [t for v in self._vertices.values() for pair in v.intervals.items() for t in pair if t is not None]
        return Interval(start_s=min(times), end_s=max(times)) if times else None

    def _feed_trace(self, encoded: str) -> Iterator[StepEvent]:
        try:
            for number, value in read_fields(base64.b64decode(encoded, validate=True)):
                if not isinstance(value, bytes):
                    continue
                if number == 1:
                    yield from self._take_vertex(value)
                elif number == 3:
                    self._take_log(value)
                elif number == 4:
                    self._warn(_read_warning(value))
        except (binascii.Error, WireError) as error:
            self._warn(f"a status message of the engine could not be read: {error}")

    def _take_vertex(self, data: bytes) -> Iterator[StepEvent]:
        news = _read_vertex(data)
        vertex = self._vertices.setdefault(news.digest, news)
        if vertex is not news:
            vertex.inputs = news.inputs or vertex.inputs
            vertex.name = news.name or vertex.name
            vertex.cached = vertex.cached or news.cached
            vertex.error = news.error or vertex.error
            vertex.intervals |= news.intervals
        state = _state_of(vertex)
        if state is not None and self._told.get(vertex.digest) is not state:
            self._told[vertex.digest] = state
            yield StepEvent(label=vertex.name, state=state, user=_USER_STEP.match(vertex.name) is not None)

    def _take_log(self, data: bytes) -> None:
        digest, message = "", b""
        for number, value in read_fields(data):
            if number == 1:
                digest = text(value)
            elif number == 4 and isinstance(value, bytes):
                message = value
        vertex = self._vertices.get(digest)
        if vertex is not None:
            vertex.log.add(message)

    def _warn(self, warning: str) -> None:
        if warning and warning not in self._warnings and len(self._warnings) < _MAX_WARNINGS:
            self._warnings.append(warning)


def error_of(record: Mapping[str, Any]) -> str | None:
    """The message of an error record of any builder."""
    detail = record.get("errorDetail")
    message = detail.get("message") if isinstance(detail, dict) else None
    message = message or record.get("error")
    return str(message).strip() if message else None


def _read_vertex(data: bytes) -> _Vertex:
    vertex = _Vertex(digest="")
    inputs: list[str] = []
    started: float | None = None
    completed: float | None = None
    for number, value in read_fields(data):
        match number:
            case 1:
                vertex.digest = text(value)
            case 2:
                inputs.append(text(value))
            case 3:
                vertex.name = text(value)
            case 4:
                vertex.cached = bool(value)
            case 5:
                started = _read_time(value)
            case 6:
                completed = _read_time(value)
            case 7:
                vertex.error = text(value)
            case _:
                pass
    vertex.inputs = tuple(inputs)
    if started is not None:
        vertex.intervals[started] = completed
    return vertex


def _read_time(value: int | bytes) -> float | None:
    """google.protobuf.Timestamp: seconds and nanoseconds since the epoch."""
    if not isinstance(value, bytes):
        return None
    seconds = nanos = 0
    for number, part in read_fields(value):
        if number == 1:
            seconds = signed(part)
        elif number == 2:
            nanos = signed(part)
    return seconds + nanos / 1e9


def _read_warning(data: bytes) -> str:
    return next((text(value) for number, value in read_fields(data) if number == 3), "")


def _state_of(vertex: _Vertex) -> StepState | None:
    if vertex.error:
        return StepState.FAILED
    if vertex.cached:
        return StepState.CACHED
    if vertex.done:
        return StepState.DONE
    return StepState.STARTED if vertex.intervals else None


def _raw_step(name: re.Match[str], vertices: list[_Vertex], inputs: tuple[int, ...]) -> RawStep:
    intervals = [Interval(start_s=s, end_s=e if e is not None else s) for v in vertices for s, e in v.intervals.items()]
    failed = next((vertex.error for vertex in vertices if vertex.error and not vertex.canceled), None)
    # `COPY --link` also has a vertex that puts the copied layer on top of the others; that one always runs.
    decisive = [vertex for vertex in vertices if "] LINK " not in vertex.name] or vertices
    ran = [vertex for vertex in decisive if vertex.intervals and not vertex.cached]
    return RawStep(
        platform=name["platform"] or "",
        stage=name["stage"] or "",
        ordinal=int(name["ordinal"]),
        total=int(name["total"]),
        text=name["text"].strip(),
        cached=any(vertex.cached for vertex in decisive) and not ran,
        ran=bool(ran),
        intervals=tuple(sorted((i for i in intervals if seconds_of((i,)) > 0 or len(intervals) == 1), key=_start)),
        inputs=inputs,
        error=failed,
        log="".join(vertex.log.text() for vertex in vertices),
    )


def _start(interval: Interval) -> float:
    return interval.start_s
