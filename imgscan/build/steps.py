"""What the stream parsers give: raw steps as the engine names them, and what happened while they ran."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol

from imgscan.frozen import frozen
from imgscan.model import Interval

Clean = Callable[[str], str]
"""Takes secrets out of a text; applied to every text that comes from the engine."""

LOG_BYTES: Final = 64 * 1024
"""How much of a step's output is kept: the end of it, whole lines."""


@frozen
class RawStep:
    """One step as the engine reports it.

    `stage` is the engine's label (`build`, `stage-1`, empty), `ordinal` of `total` its number there, `text` the
    instruction as the engine spells it. `ran`: it was started; a step that is neither cached nor ran was not needed.
    """

    platform: str
    stage: str
    ordinal: int
    total: int
    text: str
    cached: bool
    ran: bool
    intervals: tuple[Interval, ...] = ()
    inputs: tuple[int, ...] = ()
    error: str | None = None
    log: str = ""

    @property
    def keyword(self) -> str:
        """The instruction's name in capitals."""
        return self.text.split(None, 1)[0].upper() if self.text.strip() else ""


class StepState(StrEnum):
    """What a step has come to."""

    STARTED = "started"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"


@frozen
class StepEvent:
    """A step changed its state. `label` is what the engine calls it, `[build 2/5] RUN make`."""

    label: str
    state: StepState
    user: bool


class StreamParser(Protocol):
    """Reads the records of one kind of builder. All texts it gives are as the engine wrote them: clean them."""

    builder: str

    def feed(self, record: Mapping[str, Any], now_s: float) -> Iterator[StepEvent]:
        """Take in one record that came at `now_s` (seconds since the epoch)."""
        ...

    def finish(self, now_s: float) -> None:
        """The stream is over."""
        ...

    def steps(self) -> tuple[RawStep, ...]:
        """The user's steps so far, in the order in which the engine told of them."""
        ...

    @property
    def outcome(self) -> Outcome:
        """What is known of the whole build so far."""
        ...


@frozen
class Outcome:
    """The end of a build. `error` is the engine's message, None for a success; `failed` names the vertex it came from
    when that is none of the user's steps; `log` is the output that belongs to no user step; `containers` and `images`
    are ids (or their beginnings) that the stream spoke of; `context_intervals` are the times, by the engine's clock,
    when it unpacked the context into its cache, `export_intervals` those when it wrote layers and image; `span` is that
    of the whole build."""

    image_id: str | None = None
    error: str | None = None
    failed: str | None = None
    log: str = ""
    warnings: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    context_intervals: tuple[Interval, ...] = ()
    export_intervals: tuple[Interval, ...] = ()
    span: Interval | None = None


class LogTail:
    """The last `LOG_BYTES` of an output, cut at a line."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._cut = False

    def add(self, chunk: bytes) -> None:
        """Append output."""
        self._chunks.append(chunk[-2 * LOG_BYTES :])
        self._size += len(self._chunks[-1])
        while self._size - len(self._chunks[0]) > LOG_BYTES:
            self._size -= len(self._chunks.popleft())
            self._cut = True

    def text(self) -> str:
        """What is kept, as text with plain line ends."""
        data = b"".join(self._chunks)
        if self._cut or len(data) > LOG_BYTES:
            data = data[-LOG_BYTES:]
            data = data[data.find(b"\n") + 1 :]
        return data.decode("utf-8", "replace").replace("\r\n", "\n")


def reachable(
    starts: Iterable[str], inputs: Mapping[str, Sequence[str]], indices: Mapping[str, int], own: int
) -> tuple[int, ...]:
    """Indices of the nearest user steps that a vertex waits for, looking through vertices that are not the user's."""
    found: set[int] = set()
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        digest = waiting.pop()
        if digest in seen:
            continue
        seen.add(digest)
        index = indices.get(digest)
        if index is None or index == own:
            waiting.extend(inputs.get(digest, ()))
        else:
            found.add(index)
    return tuple(sorted(found))


def ancestors(inputs: Sequence[Sequence[int]], at: int) -> set[int]:
    """The indices of all steps that a step waits for, directly or not; `inputs` are those of every step."""
    found: set[int] = set()
    waiting = [*inputs[at]]
    while waiting:
        index = waiting.pop()
        if index not in found and 0 <= index < len(inputs):
            found.add(index)
            waiting.extend(inputs[index])
    return found


def seconds_of(intervals: Sequence[Interval]) -> float:
    """The time covered by intervals, overlaps counted once."""
    total = 0.0
    end = float("-inf")
    for interval in sorted(intervals, key=lambda item: item.start_s):
        start = max(interval.start_s, end)
        if interval.end_s > start:
            total += interval.end_s - start
            end = interval.end_s
    return total
