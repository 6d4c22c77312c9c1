"""Processes forked from this one that answer requests: bytes go to them, bytes come back, over two pipes for each.

There is no thread and no lock: who sends a request or waits for an answer moves along whatever can be moved by then, of
all requests and answers. This side never blocks while it writes, so that a process that cannot get rid of a long answer
is always listened to.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from imgscan.errors import WorkerError

_AHEAD: Final = 3
"""Requests that a process has at once: the one it works on, and what it goes on with while nobody here looks."""
_GIVES_WAY: Final = 5
"""Niceness of a process: who hands out requests should have a processor whenever it can go on, or all would wait."""
_HEAD_BYTES: Final = 8
"""Before each request and answer: its length."""
_PIPE_BYTES: Final = 1 << 16
_FAILED: Final = b"E"
_SERVED: Final = b"="
_SET_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_REUSED_BYTES: Final = 4 << 20
"""Options of mallopt(3): memory of up to so many bytes is used again and not given back to the system, which would
clear it for each window anew."""
_PARENTS_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Serve = Callable[[bytes], bytes]


class Answer:
    """What comes back for a request."""

    __slots__ = ("_forked", "data")

    def __init__(self, forked: Forked) -> None:
        self._forked = forked
        self.data: bytes | None = None

    def done(self) -> bool:
        """Whether `result` would not wait. Raises WorkerError."""
        if self.data is None:
            self._forked.move(wait=False)
        return self.data is not None

    def result(self) -> bytes:
        """The answer. Raises what was raised instead of one, and WorkerError."""
        while self.data is None:
            self._forked.move(wait=True)
        if self.data[:1] == _FAILED:
            import pickle

            raise pickle.loads(self.data[1:])  # noqa: S301 - of a process that was this one
        return self.data[1:]


class Forked:
    """Processes that answer each request by what `serve` makes of it, or by what it raises. They end with this process,
    whatever ends it. All methods raise WorkerError once one of them has ended by itself."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._waiting: deque[tuple[bytes, Answer]] = deque()
        self._poll = select.poll()
        self._processes: list[_Process] = []
        self._by_descriptor: dict[int, _Process] = {}
        self._ended = False

    def start(self, count: int) -> None:
        """Start so many, before anything is asked."""
        # What reaches a process before it has begun would end it with a traceback.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENTS_SIGNALS)
        try:
            for _ in range(count):
                process = _Process(self._serve, self._processes)
                self._processes.append(process)
                self._by_descriptor[process.answers] = self._by_descriptor[process.requests] = process
                self._poll.register(process.answers, select.POLLIN)
        except OSError as error:
            self._ended = True
            raise WorkerError(
                "the processes that search files cannot be started",
                cause=os.strerror(error.errno) if error.errno else "",
                next_step="run the same command with --jobs 1, which needs none",
            ) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def ask(self, request: bytes) -> Answer:
        """Send a request, at once or when a process is free for it."""
        answer = Answer(self)
        self._waiting.append((request, answer))
        self.move(wait=False)
        return answer

    def move(self, *, wait: bool) -> None:
        """Write and read what can be written and read now; `wait` until there is something."""
        self._hand_out()
        for descriptor, _ in self._poll.poll(None if wait else 0):
            process = self._by_descriptor[descriptor]
            if descriptor == process.requests:
                self._write(process)
            elif not process.read():
                self._ended = True
        self._hand_out()

    def close(self) -> None:
        """End all processes at once: they have nothing to put in order."""
        self._ended = True
        self._waiting.clear()
        while self._processes:
            self._processes.pop().end()

    def _hand_out(self) -> None:
        """Give what waits to the processes that have least to do."""
        while self._waiting and not self._ended:
            process = min(self._processes, key=_Process.owes)
            if process.owes() >= _AHEAD:
                return
            process.take(*self._waiting.popleft())
            self._write(process)
        if self._ended:
            raise _process_ended()

    def _write(self, process: _Process) -> None:
        try:
            # Of a pipe that nothing waits to be written to only its end is of interest.
            self._poll.register(process.requests, 0 if process.write() else select.POLLOUT)
        except BrokenPipeError:
            self._ended = True


class _Process:
    """One process and this side of its pipes."""

    def __init__(self, serve: Serve, others: Sequence[_Process]) -> None:
        self._owed: deque[Answer] = deque()
        self._unsent: deque[memoryview] = deque()
        self._unread = bytearray()
        pipes: list[int] = []
        parent = os.getpid()
        try:
            pipes += os.pipe()
            pipes += os.pipe()
            self._pid = os.fork()
        except OSError:
            for pipe in pipes:
                os.close(pipe)
            raise
        requests, self.requests, self.answers, answers = pipes
        os.set_blocking(self.requests, False)
        if not self._pid:
            try:
                for each in (self, *others):
                    each.hang_up()
                begin_process()
                if os.getppid() == parent:
                    _answer_all(serve, requests, answers)
            finally:
                os._exit(1)
        os.close(requests)
        os.close(answers)

    def owes(self) -> int:
        """How many answers it has not given."""
        return len(self._owed)

    def take(self, request: bytes, answer: Answer) -> None:
        """Take a request, to be written."""
        self._owed.append(answer)
        self._unsent.append(memoryview(len(request).to_bytes(_HEAD_BYTES, "little") + request))

    def write(self) -> bool:
        """Write what the pipe takes; whether that is all. Raises BrokenPipeError when the process has ended."""
        while self._unsent:
            data = self._unsent[0]
            try:
                written = os.write(self.requests, data)
            except BlockingIOError:
                return False
            if written < len(data):
                self._unsent[0] = data[written:]
            else:
                self._unsent.popleft()
        return True

    def read(self) -> bool:
        """Read some of what there is; False when the process has ended."""
        data = os.read(self.answers, _PIPE_BYTES)
        unread = self._unread
        unread += data
        while len(unread) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(unread[:_HEAD_BYTES], "little")
            if len(unread) < end:
                break
            self._owed.popleft().data = bytes(unread[_HEAD_BYTES:end])
            del unread[:end]
        return bool(data)

    def hang_up(self) -> None:
        """Close the pipes."""
        os.close(self.requests)
        os.close(self.answers)

    def end(self) -> None:
        """End the process and wait for that."""
        self.hang_up()
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def begin_process() -> None:
    """What a process that works for another one does first: Ctrl-C and a hang-up are its parent's to handle, and on
    Linux it ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PARENTS_SIGNALS)
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None)
        libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        with suppress(AttributeError):  # glibc's, others have it not
            libc.mallopt(_MMAP_THRESHOLD, _REUSED_BYTES)
            libc.mallopt(_TRIM_THRESHOLD, 4 * _REUSED_BYTES)


def _answer_all(serve: Serve, requests: int, answers: int) -> None:
    """What a process does: it reads requests, one by one, and writes answers, until nobody is there."""
    # What it has from its parent is in use: to look for circles in that would only copy it.
    gc.freeze()
    os.nice(_GIVES_WAY)
    with open(requests, "rb") as source, open(answers, "wb") as target:
        while head := source.read(_HEAD_BYTES):
            request = source.read(int.from_bytes(head, "little"))
            try:
                answer = _SERVED + serve(request)
            except Exception as error:
                answer = _FAILED + _pack_error(error)
            target.write(len(answer).to_bytes(_HEAD_BYTES, "little"))
            target.write(answer)
            target.flush()


def _pack_error(error: Exception) -> bytes:
    """An exception for the other side, with a note on where it was raised."""
    import pickle
    import traceback

    error.add_note(f"in a process that searches:\n{traceback.format_exc()}")
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)  # noqa: S301 - as above
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__} in a process that searches"))
    return packed


def _process_ended() -> WorkerError:
    return WorkerError(
        "a process that searches files ended in the middle of its work",
        cause="most likely the system ran out of memory and killed it",
        next_step="run the same command with --jobs 1, which needs less",
    )
