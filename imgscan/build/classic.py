"""The classic builder's stream (`POST /build`, version 1): lines of text -> steps.

Docker 20.10 to 28: `Step 2/7 : RUN make`, then ` ---> Using cache` or ` ---> Running in <id>`, then the image's id.
There are no times in it, so a step lasts from the arrival of its line to that of the next one's.
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

_STEP: Final = lazy_re(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
_RUNNING: Final = lazy_re(r" ---> Running in ([0-9a-f]+)")
_IMAGE: Final = lazy_re(r" ---> ([0-9a-f]{12,64})\s*$")
_REMOVING: Final = lazy_re(r"(?: ---> Removed|Removing) intermediate container [0-9a-f]+")
_BUILT: Final = lazy_re(r"Successfully built ([0-9a-f]+)")
_WARNING: Final = lazy_re(r"\[Warning\] (.*)")
_TRIGGERS: Final = lazy_re(r"# Executing (\d+) build triggers?")


@dataclass(slots=True)
class _Running:
    ordinal: int
    total: int
    text: str
    start_s: float
    end_s: float | None = None
    cached: bool = False
    error: str | None = None
    image: str = ""
    log: LogTail = field(default_factory=LogTail)

    @property
    def label(self) -> str:
        return f"[{self.ordinal}/{self.total}] {self.text}"


class ClassicParser:
    """Follows the lines; see `steps.StreamParser`. `ordinal` counts over all stages, `stage` stays empty."""

    builder = "classic"

    def __init__(self) -> None:
        self._steps: list[_Running] = []
        self._image_id: str | None = None
        self._error: str | None = None
        self._warnings: list[str] = []
        self._containers: list[str] = []

    def feed(self, record: Mapping[str, Any], now_s: float) -> Iterator[StepEvent]:
        """Take in one record."""
        error = error_of(record)
        aux = record.get("aux")
        if error:
            self._error = error
            yield from self._close(now_s, error)
        elif isinstance(aux, dict) and aux.get("ID"):
            self._image_id = str(aux["ID"])
        elif isinstance(record.get("stream"), str):
            yield from self._feed_line(record["stream"], now_s)

    def finish(self, now_s: float) -> None:
        """The stream is over."""
        for _ in self._close(now_s, None):
            continue

    def steps(self) -> tuple[RawStep, ...]:
        """All steps; each waits for the one before it."""
        return tuple(
            RawStep(
                platform="",
                stage="",
                ordinal=step.ordinal,
                total=step.total,
                text=step.text,
                cached=step.cached,
                ran=not step.cached,
                intervals=() if step.end_s is None else (Interval(start_s=step.start_s, end_s=step.end_s),),
                inputs=(at - 1,) if at else (),
                error=step.error,
                log=step.log.text(),
            )
            for at, step in enumerate(self._steps)
        )

    @property
    def outcome(self) -> Outcome:
        """The end of the build."""
        return Outcome(
            image_id=self._image_id,
            error=self._error,
            warnings=tuple(self._warnings),
            containers=tuple(self._containers),
            images=tuple(step.image for step in self._steps if step.image),
        )

    def _feed_line(self, line: str, now_s: float) -> Iterator[StepEvent]:
        started = _STEP.match(line)
        if started:
            yield from self._close(now_s, None)
            text = started[3].strip()
            self._steps.append(_Running(ordinal=int(started[1]), total=int(started[2]), text=text, start_s=now_s))
            yield StepEvent(label=self._steps[-1].label, state=StepState.STARTED, user=True)
            return
        built, warning, running = _BUILT.match(line), _WARNING.match(line), _RUNNING.match(line)
        image = _IMAGE.match(line)
        if built:
            self._image_id = self._image_id or built[1]
            yield from self._close(now_s, None)
        elif warning:
            self._warnings.append(warning[1].strip())
        elif running:
            self._containers.append(running[1])
        elif self._steps and line.startswith(" ---> Using cache"):
            self._steps[-1].cached = True
        elif self._steps and image:
            self._steps[-1].image = image[1]
        elif self._steps and not _REMOVING.match(line) and not _TRIGGERS.match(line):
            self._steps[-1].log.add(line.encode("utf-8", "replace"))

    def _close(self, now_s: float, error: str | None) -> Iterator[StepEvent]:
        if not self._steps or self._steps[-1].end_s is not None:
            return
        step = self._steps[-1]
        step.end_s = now_s
        step.error = error
        state = StepState.FAILED if error else StepState.CACHED if step.cached else StepState.DONE
        yield StepEvent(label=step.label, state=state, user=True)
