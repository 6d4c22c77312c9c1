"""Taking away what the builds of one run left in the engine, and nothing else.

How one's own is told from others': tags by the run's id; containers and intermediate images of the classic builder and
Podman by ids from the run's own streams, images only if they were not there before; cache records of BuildKit by what
they are and by having been created, on the engine's own clock, while the very step of this run was running.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from imgscan.build.builder import Workshop
from imgscan.build.request import Builder
from imgscan.build.steps import Outcome, RawStep, ancestors
from imgscan.engine import CacheRecord
from imgscan.errors import EngineError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Interval

if TYPE_CHECKING:
    from imgscan.engine import Engine

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_QUIET_S: Final = 1.5
_LATE_S: Final = 8.0
_POLL_S: Final = 0.25
_PASSES: Final = 4
_SLACK_S: Final = 0.05
_CACHE_MOUNT: Final = "exec.cachemount"
_UPLOAD: Final = lazy_re(r"http url http://build-context-")
_UNPACKED: Final = lazy_re(r"fileop target$|copy /context /")
_FILE_RESULT: Final = lazy_re(r"fileop target|\[.*\] (?:COPY|ADD|WORKDIR)\b|(?:COPY|ADD|WORKDIR)\b")
_TAIL: Final = 12


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and the other requests to end wait until the block is over: a second one must not stop the tidying up that
    the first one started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    # What is ignored (a hang-up under nohup) stays so.
    numbers = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, frame: waiting.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        raise KeyboardInterrupt


def tidy_up(
    workshop: Workshop, images_before: frozenset[str], *, interrupted: bool, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Remove everything that the workshop's builds left. `interrupted`: a build was cut off, so the engine may still
    be finishing it; wait for what comes late.

    Raises EngineError when the engine is gone.
    """
    deadline = time.monotonic() + (_LATE_S if interrupted else 0)
    quiet_since = time.monotonic()
    while True:
        removed = _remove_tags(workshop)
        removed |= _remove_containers(workshop)
        removed |= _remove_images(workshop, images_before)
        now = time.monotonic()
        if removed:
            quiet_since = now
        if now >= deadline or now - quiet_since >= _QUIET_S:
            break
        sleep(_POLL_S)
    if workshop.options.builder is Builder.BUILDKIT:
        # Disk space that the engine would free by itself one day: no reason to lose the results.
        with suppress(EngineError):
            remove_cache(workshop.engine, find_leftovers(workshop))


def _remove_tags(workshop: Workshop) -> bool:
    tags = workshop.engine.tags(f"{workshop.repository}:")
    # The classic builder's intermediate images may be those of an earlier build of the user's: they are not pruned
    # with ours but removed one by one if they are new.
    prune = workshop.options.builder is Builder.BUILDKIT
    removed = [workshop.engine.remove_image(tag, prune_parents=prune) for tag in tags]
    return any(removed)


def _outcomes(workshop: Workshop) -> list[Outcome]:
    return [parser.outcome for parser in workshop.parsers]


def _remove_containers(workshop: Workshop) -> bool:
    wanted = {container for outcome in _outcomes(workshop) for container in outcome.containers}
    if not wanted:
        return False
    there = [name for name in workshop.engine.container_ids() if any(name.startswith(part) for part in wanted)]
    for name in there:
        workshop.engine.remove_container(name)
    return bool(there)


def _remove_images(workshop: Workshop, before: frozenset[str]) -> bool:
    """Intermediate images, children before parents: an image that something is made from cannot be removed."""
    if workshop.options.builder is Builder.BUILDKIT:
        return False
    removed = False
    for _ in range(_PASSES):
        gone = [i for i in _own_images(workshop, before) if workshop.engine.remove_image(i, prune_parents=False)]
        removed = removed or bool(gone)
        if not gone:
            break
    return removed


def _own_images(workshop: Workshop, before: frozenset[str]) -> list[str]:
    """The new images that the streams spoke of, and what steps that were cut off have become since: an image made on
    top of one of those, or of one that was there, by that very instruction."""
    spoken_of = tuple({i.removeprefix("sha256:") for outcome in _outcomes(workshop) for i in outcome.images})
    cut_off = [parser.steps()[-1].text for parser in workshop.unfinished() if parser.steps()]
    if workshop.unheard and workshop.dockerfile is not None:
        # Whatever the engine came to before it noticed that nobody listens.
        commands = (command for stage in workshop.dockerfile.stages for command in stage.commands[1:])
        cut_off += [f"{command.keyword} {command.value}" for command in commands]
    own: list[str] = []
    for image in workshop.engine.images():
        if image.id in before or image.tags:
            continue
        known = image.id.removeprefix("sha256:").startswith(spoken_of)
        if known or (cut_off and any(_made_by(workshop.engine.history(image.id), text) for text in cut_off)):
            own.append(image.id)
    return own


def _made_by(history: Sequence[Mapping[str, object]], text: str) -> bool:
    """Whether the newest entry of an image's history is that instruction: a RUN by its end, which is not rewritten, any
    other by its keyword."""
    made_by = str(history[0].get("CreatedBy") or "") if history else ""
    keyword, _, rest = text.partition(" ")
    end = rest.rstrip()[-_TAIL:]
    return bool(end) and end in made_by if keyword.upper() == "RUN" else f" {keyword.upper()} " in made_by


@frozen
class Leftover:
    """Cache records that are this run's garbage: of that kind, described like that, created in that time."""

    kind: str
    description: re.Pattern[str]
    interval: Interval

    def covers(self, record: CacheRecord) -> bool:
        """Whether a record is meant."""
        return (
            record.kind == self.kind
            and self.interval.start_s - _SLACK_S <= record.created_s <= self.interval.end_s + _SLACK_S
            and self.description.match(record.description) is not None
        )


def find_leftovers(workshop: Workshop) -> tuple[Leftover, ...]:
    """What is garbage: the copies of the context (their key is a random URL, which nobody can use again), the cache
    mounts (they are in this run's namespace), and results that no other build can find: those of touched files, and in
    an isolated run those of RUN and of what comes after it."""
    found: list[Leftover] = []
    # Newer engines name the mount's id, which begins with the namespace; older ones say nothing of it.
    own_mount = re.compile(rf'(?!.* with id "(?!{re.escape(workshop.repository)}/))', re.DOTALL)
    for parser in workshop.parsers:
        outcome, steps = parser.outcome, parser.steps()
        if outcome.span is not None:
            found.append(Leftover(kind="regular", description=_UPLOAD, interval=outcome.span))
        found += [
            Leftover(kind="regular", description=_UNPACKED, interval=interval) for interval in outcome.context_intervals
        ]
        found += [
            Leftover(kind=_CACHE_MOUNT, description=own_mount, interval=interval)
            for step in steps
            if step.ran and step.keyword == "RUN" and "type=cache" in step.text
            for interval in step.intervals
        ]
        found += [
            leftover
            for at, step in enumerate(steps)
            if parser in workshop.throwaways or (workshop.isolated and _after_run(steps, at))
            for leftover in _results(step)
        ]
    return tuple(found)


def _after_run(steps: Sequence[RawStep], at: int) -> bool:
    """Whether a step is a RUN or made from the result of one, hence cached under a name that only its run knew."""
    chain = {at, *ancestors([step.inputs for step in steps], at)}
    return any(steps[index].keyword == "RUN" for index in chain)


def _results(step: RawStep) -> Iterator[Leftover]:
    """The records that hold what a step made, if it ran. BuildKit describes an exec by its arguments, of which the end
    is also the end of the step's name (where that has variables in it, the record stays)."""
    if not step.ran:
        return
    if step.keyword == "RUN":
        end = step.text.split("\n", 1)[0].rstrip()[-_TAIL:]
        description = re.compile(rf"mount / from exec .*{re.escape(end)}", re.DOTALL)
    elif step.keyword in ("COPY", "ADD", "WORKDIR"):
        description = _FILE_RESULT
    else:
        return
    for interval in step.intervals:
        yield Leftover(kind="regular", description=description, interval=interval)


def remove_cache(engine: Engine, leftovers: Sequence[Leftover]) -> int:
    """Remove the cache records that are meant, by id; how many. What something else uses stays."""
    count = 0
    for _ in range(_PASSES if leftovers else 0):
        # A record that another one is made from can only go after it: hence several passes.
        records = [record for record in engine.cache_records() if not record.in_use]
        ours = {record.id for record in records if any(leftover.covers(record) for leftover in leftovers)}
        if not ours:
            break
        engine.prune_cache_records(ours)
        left = ours & {record.id for record in engine.cache_records()}
        count += len(ours - left)
        if left == ours:
            break
    return count


@contextmanager
def tidied(workshop: Workshop) -> Iterator[Workshop]:
    """A workshop whose builds leave nothing behind once the block is over, also when it is interrupted."""
    # Only the classic builder and Podman keep their cache as images; BuildKit's never show up in the list.
    keeps_images = workshop.options.builder is not Builder.BUILDKIT
    before = workshop.engine.image_ids() if keeps_images else frozenset()
    try:
        yield workshop
    except BaseException:
        # An engine that is gone cannot be tidied; the error on its way says so already.
        with uninterrupted(), suppress(EngineError):
            tidy_up(workshop, before, interrupted=True)
        raise
    with uninterrupted():
        tidy_up(workshop, before, interrupted=False)
