"""Podman's stream (its Docker-compatible `POST /build`, done by buildah): lines of text -> steps.

`[2/3] STEP 3/4: COPY . .` (without the brackets when there is one stage), output, `--> Using cache <id>`, `--> <id>`.
A stage that needs another one is interrupted by that one's steps, so the open steps are a stack. There are no times in
it: a step lasts from its line to its `-->`, without what ran in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imgscan.build.buildkit import error_of
from imgscan.build.steps import LogTail, Outcome, RawStep, StepEvent, StepState
from imgscan.lazyre import lazy_re
from imgscan.model import Interval

_STEP: Final = lazy_re(r"(?:\[(\d+)/\d+\] )?STEP (\d+)/(\d+): (.*)", re.DOTALL)
_CACHED: Final = lazy_re(r"--> Using cache ([0-9a-f]+)")
_COMMITTED: Final = lazy_re(r"--> ([0-9a-f]{8,64})\s*$")
_CLOSING: Final = lazy_re(r"(?:\[\d+/\d+\] )?COMMIT|Successfully (?:tagged|built) |[0-9a-f]{64}\s*$")
_WARNING: Final = lazy_re(r"\[Warning\] (.*)")


@dataclass(slots=True)
class _Running:
    stage: str
    ordinal: int
    total: int
    text: str
    intervals: list[Interval] = field(default_factory=list)
    resumed_s: float | None = None
    cached: bool = False
    error: str | None = None
    image: str = ""
    log: LogTail = field(default_factory=LogTail)

    def pause(self, now_s: float) -> None:
        if self.resumed_s is not None:
            self.intervals.append(Interval(start_s=self.resumed_s, end_s=now_s))
            self.resumed_s = None

    @property
    def label(self) -> str:
        stage = f"{self.stage} " if self.stage else ""
        return f"[{stage}{self.ordinal}/{self.total}] {self.text}"


class PodmanParser:
    """Follows the lines; see `steps.StreamParser`. `stage` is `stage-<index>`, or empty when there is one only."""

    builder = "podman"

    def __init__(self) -> None:
        self._steps: list[_Running] = []
        self._open: list[_Running] = []
        self._image_id: str | None = None
        self._error: str | None = None
        self._warnings: list[str] = []

    def feed(self, record: Mapping[str, Any], now_s: float) -> Iterator[StepEvent]:
        """Take in one record."""
        error = error_of(record)
        aux = record.get("aux")
        if error:
            self._error = error
            if self._open:
                self._open[-1].error = error
            yield from self._close_all(now_s)
        elif isinstance(aux, dict) and aux.get("ID"):
            self._image_id = str(aux["ID"])
        elif isinstance(record.get("stream"), str):
            yield from self._feed_line(record["stream"], now_s)

    def finish(self, now_s: float) -> None:
        """The stream is over."""
        for _ in self._close_all(now_s):
            continue

    def steps(self) -> tuple[RawStep, ...]:
        """All steps; what waits for what is the Dockerfile's to say."""
        return tuple(
            RawStep(
                platform="",
                stage=step.stage,
                ordinal=step.ordinal,
                total=step.total,
                text=step.text,
                cached=step.cached,
                ran=not step.cached,
                intervals=tuple(step.intervals),
                error=step.error,
                log=step.log.text(),
            )
            for step in self._steps
        )

    @property
    def outcome(self) -> Outcome:
        """The end of the build."""
        return Outcome(
            image_id=self._image_id,
            error=self._error,
            warnings=tuple(self._warnings),
            images=tuple(step.image for step in self._steps if step.image),
        )

    def _feed_line(self, line: str, now_s: float) -> Iterator[StepEvent]:
        started = _STEP.match(line)
        if started:
            yield from self._start(started, now_s)
            return
        cached, committed, warning = _CACHED.match(line), _COMMITTED.match(line), _WARNING.match(line)
        if warning:
            self._warnings.append(warning[1].strip())
        elif cached and self._open:
            self._open[-1].cached = True
            self._open[-1].image = cached[1]
        elif committed and self._open:
            self._open[-1].image = self._open[-1].image or committed[1]
            yield self._close(self._open.pop(), now_s)
            if self._open:
                self._open[-1].resumed_s = now_s
        elif self._open and not _CLOSING.match(line):
            self._open[-1].log.add(line.encode("utf-8", "replace"))

    def _start(self, started: re.Match[str], now_s: float) -> Iterator[StepEvent]:
        stage = f"stage-{int(started[1]) - 1}" if started[1] else ""
        # A FROM commits nothing: the next step of its stage is what ends it.
        while self._open and (self._open[-1].stage == stage or self._open[-1].ordinal == 1):
            yield self._close(self._open.pop(), now_s)
        if self._open:
            self._open[-1].pause(now_s)
        step = _Running(
            stage=stage, ordinal=int(started[2]), total=int(started[3]), text=started[4].strip(), resumed_s=now_s
        )
        self._steps.append(step)
        self._open.append(step)
        yield StepEvent(label=step.label, state=StepState.STARTED, user=True)

    def _close(self, step: _Running, now_s: float) -> StepEvent:
        step.pause(now_s)
        state = StepState.FAILED if step.error else StepState.CACHED if step.cached else StepState.DONE
        return StepEvent(label=step.label, state=state, user=True)

    def _close_all(self, now_s: float) -> Iterator[StepEvent]:
        while self._open:
            yield self._close(self._open.pop(), now_s)
