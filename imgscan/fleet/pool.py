"""Processes of this machine as an executor: calls -> futures, each call in a process of its own for as long as it runs.

A process that is killed takes one call with it and no other, and it is known which: `TaskLost`. Another process takes
its place. The processes end with this one, whatever ends it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Final

from imgscan.errors import WorkerError
from imgscan.fleet.attempt import Attempt, Work, attempt
from imgscan.fleets import LayerTask
from imgscan.forked import begin_process

_MOST_FAILED_STARTS: Final = 3


class TaskLost(Exception):
    """A call came to nothing, and may be made again: `ended` is how many processes have ended in the middle of it."""

    def __init__(self, *, ended: int) -> None:
        super().__init__("the process ended")
        self.ended = ended


class _Call:
    """Something to run, and where to say what came of it."""

    def __init__(self, run: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.run = run
        self.arguments = arguments
        self.future: Future[Any] = Future()


class _Slot:
    """One process at a time, started with its first call and again after it was killed."""

    def __init__(self, context: Any) -> None:  # noqa: ANN401 - a context of multiprocessing, of whichever kind
        self._context = context
        self._executor: ProcessPoolExecutor | None = None
        self._line: Connection | None = None
        self._ready = False
        self.broken = False

    @property
    def runs(self) -> bool:
        """Whether a call may be handed to it without starting a process."""
        return self._executor is not None and not self.broken

    def start(self, call: _Call) -> Future[Any]:
        """Run a call. Raises BrokenProcessPool if the process ended since the last one."""
        if self._executor is None:
            ours, theirs = self._context.Pipe()
            self._line, self._ready = ours, False
            self._executor = ProcessPoolExecutor(1, mp_context=self._context, initializer=_begin, initargs=(theirs,))
            try:
                with ctrl_c_later():
                    return self._executor.submit(call.run, *call.arguments)
            finally:
                theirs.close()
        return self._executor.submit(call.run, *call.arguments)

    def was_ready(self) -> bool:
        """Whether the process came as far as to take calls."""
        with suppress(EOFError, OSError):
            if not self._ready and self._line is not None and self._line.poll():
                self._ready = self._line.recv_bytes() != b""
        return self._ready

    def hang_up(self) -> None:
        """Have the process end at once, whatever it does."""
        if self._line is not None:
            with suppress(OSError):
                self._line.send_bytes(b"end")
            self._line.close()
            self._line = None

    def close(self) -> None:
        """Wait for the process to end."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
        self.hang_up()
        self._executor, self.broken = None, False


class ProcessCrew(Executor):
    """At most `count` processes; more calls than that wait for their turn. `preload` are modules that the processes
    have from the start."""

    def __init__(self, count: int, *, preload: tuple[str, ...] = ()) -> None:
        methods = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if hasattr(context, "set_forkserver_preload"):
            # Without the user's own program, whose end would be the server's.
            context.set_forkserver_preload(list(preload))
        self._slots = [_Slot(context) for _ in range(count)]
        self._idle = deque(self._slots)
        self._busy: set[_Slot] = set()
        self._calls: deque[_Call] = deque()
        self._lock = threading.RLock()
        self._failed_starts = 0
        self._closed = False

    @property
    def at_once(self) -> int:
        """How many calls run at the same time."""
        return len(self._slots)

    @property
    def is_uneven(self) -> bool:
        """One process of a machine is as fast as another."""
        return False

    @property
    def most_sent(self) -> int:
        """How many calls to have under way."""
        return 2 * self.at_once

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """Run a function of a module. The future raises TaskLost where the process ended."""
        assert not kwargs, "calls have positional arguments only"
        call = _Call(fn, args)
        with self._lock:
            self._calls.append(call)
        self.check()
        return call.future

    def send(self, work: Work, task: LayerTask) -> Future[Attempt]:
        """Have a task done."""
        return self.submit(attempt, work, task)

    def check(self) -> None:
        """Start what can be started. Raises WorkerError when processes cannot be."""
        while self._failed_starts < _MOST_FAILED_STARTS:
            begun = self._next(lambda slot: True)
            if begun is None:
                return
            slot, call = begun
            if slot.broken:
                slot.close()
            self._start(slot, call)
        raise WorkerError(
            "the processes that read layers cannot be started",
            cause="each of them ended before it had begun",
            next_step="see that there is memory for them; --jobs 1 starts one alone",
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes at once, those in the middle of a call as well."""
        with self._lock:
            self._closed = True
            calls, busy = list(self._calls), list(self._busy)
            self._calls.clear()
        for call in calls:
            call.future.cancel()
        for slot in busy:
            slot.hang_up()
        for slot in self._slots:
            slot.close()

    def _next(self, usable: Callable[[_Slot], bool]) -> tuple[_Slot, _Call] | None:
        """A call that waits and a process for it, if there are both."""
        with self._lock:
            if self._closed or not self._calls:
                return None
            slot = next((slot for slot in self._idle if usable(slot)), None)
            if slot is None:
                return None
            self._idle.remove(slot)
            self._busy.add(slot)
            return slot, self._calls.popleft()

    def _start(self, slot: _Slot, call: _Call) -> None:
        try:
            started = slot.start(call)
        except BrokenProcessPool:
            slot.broken = True
            self._free(slot, call)
            return
        except (OSError, EOFError):
            # No memory, no more processes: what the process was to be made of is closed with the slot.
            slot.broken = True
            self._failed_starts += 1
            self._free(slot, call)
            return
        started.add_done_callback(lambda future: self._ended(slot, call, future))

    def _free(self, slot: _Slot, call: _Call | None = None) -> None:
        """The slot takes calls again; `call` has not begun."""
        with self._lock:
            self._busy.discard(slot)
            # One that runs comes first: a process is started only if all others are busy.
            (self._idle.append if slot.broken else self._idle.appendleft)(slot)
            if call is not None:
                self._calls.appendleft(call)

    def _ended(self, slot: _Slot, call: _Call, future: Future[Any]) -> None:
        """In a thread of the executor's: hand on the result, once the process has its next call."""
        error = future.exception() if not future.cancelled() else None
        if isinstance(error, BrokenProcessPool):
            ready = slot.was_ready()
            slot.broken = True
            self._failed_starts = 0 if ready else self._failed_starts + 1
            self._free(slot)
            call.future.set_exception(TaskLost(ended=int(ready)))
            return
        self._failed_starts = 0
        self._free(slot)
        # Processes are started by the thread that submits alone.
        begun = self._next(lambda slot: slot.runs)
        if begun is not None:
            self._start(*begun)
        if future.cancelled():
            call.future.cancel()
        elif error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(future.result())


@contextmanager
def ctrl_c_later() -> Iterator[None]:
    """Processes and threads that are started meanwhile do not see Ctrl-C, which a terminal sends to all: half of what
    they say of it would be tracebacks. This thread sees it afterwards."""
    # Started with the first process, it would let Ctrl-C through again.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _begin(line: Connection) -> None:
    """A process begins, and ends when the line is cut."""
    begin_process()
    try:
        line.send_bytes(b"ready")
    except OSError:  # nobody waits for it any more
        os._exit(1)
    threading.Thread(target=_wait_for_the_end, args=(line,), daemon=True).start()


def _wait_for_the_end(line: Connection) -> None:
    with suppress(EOFError, OSError):
        line.recv_bytes()
    os._exit(1)
