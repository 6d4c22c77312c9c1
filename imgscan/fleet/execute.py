"""Tasks -> what came of each, as it comes: sent to processes of this machine or to a cluster, tried again where a
process was lost, and never more of them under way than are taken."""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.attempt import Attempt, Installation, Work, attempt, own_installation
from imgscan.fleet.limits import Limits, Unsent, with_share
from imgscan.fleet.pace import Pace
from imgscan.fleet.pool import ProcessCrew, TaskLost
from imgscan.fleets import LayerOutcome, LayerTask
from imgscan.frozen import frozen

MOST_TRIES: Final = 3
PATIENCE_S: Final = 60.0
_PRELOAD: Final = ("imgscan.scan", "imgscan.detect.secrets.scanner", "imgscan.source.registry", "requests")
"""What reading layers needs, loaded once for all processes."""
_LOOK_S: Final = 0.5
_MOST_UNREACHABLE: Final = 8


@frozen
class Done:
    """What came of a task: the outcomes of its layers, or None and the `problem` in words."""

    task: LayerTask
    outcomes: tuple[LayerOutcome, ...] | None = None
    problem: str = ""


class Crew(Protocol):
    """An executor whose processes may end. Its futures raise `TaskLost` where one did."""

    @property
    def at_once(self) -> int:
        """How many calls run at the same time."""
        ...

    @property
    def most_sent(self) -> int:
        """How many calls to have under way: some more, so that nobody waits while a result is written down."""
        ...

    @property
    def is_uneven(self) -> bool:
        """Whether some processes may be far slower than others, so that a second one is worth a try."""
        ...

    def send(self, work: Work, task: LayerTask) -> Future[Attempt]:
        """Have a task done."""
        ...

    def check(self) -> None:
        """Raise an ImgscanError when no more results will come."""
        ...

    def shutdown(self) -> None:
        """End everything at once."""
        ...


def execute(
    tasks: Iterable[LayerTask],
    *,
    scheduler: str | None = None,
    jobs: int | None = None,
    work: Work,
    limits: Limits | None = None,
    say: Callable[[str], None] = lambda _: None,
    tries: int = MOST_TRIES,
    patience_s: float = PATIENCE_S,
) -> Generator[Done, None, None]:
    """Do all tasks and give what came of each, in the order in which they end.

    `scheduler` is where a Dask scheduler listens (`tcp://…`, `tls://…`) or `local:N` for a cluster of N workers here;
    None: processes of this machine, `jobs` of them (None: one a processor; 0: none, the work is done by whoever asks
    for the next result). `work` has to be a function of a module. Of the tasks only those are held that are under way
    or wait for their registry; nothing more is sent as long as results are not taken. A task whose process is lost
    `tries` times ends with a problem. Once a cluster has room and nothing else to do, a task that is several times
    slower than all others, and took `patience_s`, is sent a second time; what ends first counts.

    Close the iterator (`contextlib.closing`): that ends all processes. Raises EngineError when the cluster is not
    there, has no workers or goes away, InputError for one that runs something else than this process, WorkerError when
    processes cannot be started.
    """
    limits = limits or Limits()
    with _hired(scheduler, jobs, work, say) as crew:
        execution = _Execution(Unsent(tasks, limits), crew=crew, work=work, tries=tries, pace=Pace(patience_s), say=say)
        yield from execution.results()


@contextmanager
def _hired(scheduler: str | None, jobs: int | None, work: Work, say: Callable[[str], None]) -> Iterator[Crew]:
    """Who does the work."""
    if scheduler is not None:
        from imgscan.fleet.cluster import open_cluster

        with open_cluster(scheduler, say) as cluster:
            yield cluster
        return
    count = _default_jobs() if jobs is None else jobs
    crew: Crew = ProcessCrew(count, preload=(work.__module__, *_PRELOAD)) if count else _Here()
    try:
        yield crew
    finally:
        crew.shutdown()


class _Here:
    """This process, as a crew: a call is done when it is submitted."""

    at_once = most_sent = 1
    is_uneven = False

    def send(self, work: Work, task: LayerTask) -> Future[Attempt]:
        future: Future[Attempt] = Future()
        future.set_result(attempt(work, task))
        return future

    def check(self) -> None: ...

    def shutdown(self) -> None: ...


@frozen(kw_only=False)
class _Sent:
    """A task that is under way."""

    task: LayerTask
    share: int
    at: float


@dataclass(slots=True)
class _Losses:
    """How many processes ended with a task; `alone` when it is tried for the last time."""

    ended: int = 0
    alone: bool = False


class _Execution:
    """One run of `execute`."""

    def __init__(
        self,
        waiting: Unsent,
        *,
        crew: Crew,
        work: Work,
        tries: int,
        pace: Pace,
        say: Callable[[str], None],
    ) -> None:
        self._crew = crew
        self._work = work
        self._tries = tries
        self._say = say
        self._waiting = waiting
        self._pace = pace
        self._sent: dict[Future[Attempt], _Sent] = {}
        self._ended: queue.SimpleQueue[Future[Attempt]] = queue.SimpleQueue()
        self._losses: dict[LayerTask, _Losses] = {}
        self._alone: deque[LayerTask] = deque()
        self._unreachable: dict[str, int] = {}
        self._doubled: set[LayerTask] = set()
        self._dropped: set[Future[Attempt]] = set()

    def results(self) -> Generator[Done]:
        """Everything, as it comes."""
        self._send()
        while self._sent or self._waiting.has_refused:
            done = self._settle(self._next()) if self._sent else None
            self._send()
            if done is not None:
                yield done
            for task in self._waiting.refused():
                yield Done(
                    task=task, problem=f"{plain(task.host)} did not answer to other tasks and is not asked again"
                )
            self._send()

    def _send(self) -> None:
        """Send what may be sent; once nothing else is left, one at a time those that might need all the memory."""
        self._crew.check()
        at_once = self._crew.at_once
        while len(self._sent) < self._crew.most_sent:
            found = self._waiting.take(at_once)
            if found is None:
                break
            self._submit(*found)
        if not self._sent and self._alone:
            self._waiting.put_first(self._alone.popleft())
            found = self._waiting.take(1)
            if found is not None:
                self._submit(*found)
        self._double()

    def _submit(self, task: LayerTask, share: int) -> None:
        future = self._crew.send(self._work, with_share(task, share))
        self._sent[future] = _Sent(task, share, time.monotonic())
        future.add_done_callback(self._ended.put)

    def _double(self) -> None:
        """Send what takes far too long a second time, as long as somebody has nothing to do."""
        if not self._crew.is_uneven:
            return
        now, at_once = time.monotonic(), self._crew.at_once
        for sent in list(self._sent.values()):
            if len(self._sent) >= at_once:
                return
            if sent.task in self._doubled or not self._pace.is_straggling(sent.task.size_bytes, now - sent.at):
                continue
            share = self._waiting.admit_again(sent.task, at_once)
            if share is not None:
                self._doubled.add(sent.task)
                self._say(f"{task_name(sent.task)} takes far longer than others; another worker reads it as well")
                self._submit(sent.task, share)

    def _next(self) -> Future[Attempt]:
        """The next task that ended, waiting for it."""
        while True:
            try:
                return self._ended.get(timeout=_LOOK_S)
            except queue.Empty:
                self._crew.check()
                self._double()

    def _settle(self, future: Future[Attempt]) -> Done | None:
        """What came of a task; None if it is tried again."""
        sent = self._sent.pop(future)
        self._waiting.give_back(sent.task, sent.share)
        if future.cancelled() or future in self._dropped:
            # The same task was done by somebody else.
            self._dropped.discard(future)
            return None
        others = self._others(sent.task)
        try:
            found = future.result()
        except TaskLost as lost:
            return self._try_again(sent.task, lost) if not others else None
        if found.other is not None:
            raise _mismatch(found.other)
        self._dropped.update(other for other in others if not other.cancel())
        self._note_answer(sent.task.host, unreachable=found.unreachable)
        self._pace.learn(sent.task.size_bytes, found.seconds)
        self._losses.pop(sent.task, None)
        return Done(task=sent.task, outcomes=found.outcomes, problem=found.problem)

    def _others(self, task: LayerTask) -> list[Future[Attempt]]:
        """Who else is at a task."""
        if task not in self._doubled:
            return []
        return [other for other, sent in self._sent.items() if sent.task == task and not other.cancelled()]

    def _try_again(self, task: LayerTask, lost: TaskLost) -> Done | None:
        """A process was lost. The last time the task is on its own: others may have had the memory that it needed."""
        known = self._losses.setdefault(task, _Losses())
        was_alone, name = known.alone, task_name(task)
        known.ended += lost.ended
        if lost.ended and (was_alone or self._tries == 1):
            times = "once" if known.ended == 1 else f"{known.ended} times"
            return Done(task=task, problem=f"the process that read {name} ended {times}; most likely out of memory")
        if lost.ended:
            self._say(f"the process that read {name} ended; trying again")
        known.alone = known.ended >= self._tries - 1
        if known.alone:
            self._alone.append(task)
        else:
            self._waiting.put_first(task)
        return None

    def _note_answer(self, host: str, *, unreachable: bool) -> None:
        """A registry that does not answer, task after task, each of which has waited and asked again, is gone."""
        count = self._unreachable[host] = self._unreachable.get(host, 0) + 1 if unreachable else 0
        if host and count == _MOST_UNREACHABLE:
            self._say(f"{plain(host)} does not answer; what is left of it is not asked for")
            self._waiting.give_up(host)


def task_name(task: LayerTask) -> str:
    """A task in few words that hold no secret."""
    first = task.blobs[0] if task.blobs else None
    layer = (first.digest or first.diff_id)[:19] if first is not None else "nothing"
    more = f" and {len(task.blobs) - 1} more" if len(task.blobs) > 1 else ""
    return f"layer {plain(layer)}{more} of {plain(shorten(task.ref, 200))}"


def _default_jobs() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _mismatch(other: Installation) -> InputError:
    return InputError(
        "a worker has joined the cluster that runs something else than this process",
        cause=f"it has {other}, this process {own_installation()}",
        next_step="install the same version of imgscan, with the same rules, everywhere",
    )
