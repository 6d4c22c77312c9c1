"""Programs of the machine, run with bounds. In: a command and its environment. Out: what it wrote and its exit code.

Every program gets a session of its own: Ctrl-C reaches imgscan alone, which ends what it started.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from imgscan.frozen import frozen

MAX_OUTPUT: Final = 1 << 20
_CHUNK: Final = 1 << 16
_FLOOD: Final = 64 << 20
_GRACE_S: Final = 5.0


@frozen
class Ran:
    """A program that has ended. `out` and `err` are the first MiB of each; `timed_out`: it was ended because its time,
    or the 64 MiB that it may write, was over."""

    code: int
    out: bytes
    err: bytes
    timed_out: bool
    seconds: float

    @property
    def text(self) -> str:
        """Both outputs, errors last, as text."""
        return (self.out + self.err).decode("utf-8", "replace")


def run_bounded(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout_s: float,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    max_output: int = MAX_OUTPUT,
) -> Ran:
    """Run a program to its end, or end it with all that it started after `timeout_s`. Without `stdin` it reads nothing.

    Raises OSError when it cannot be started.
    """
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - callers give whole commands, never a shell's text of others
        list(command),
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err, timed_out = _converse(process, stdin, started + timeout_s, max_output)
    except BaseException:
        end_session(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
    return Ran(
        code=process.returncode, out=out, err=err, timed_out=timed_out, seconds=round(time.monotonic() - started, 3)
    )


def _converse(
    process: subprocess.Popen[bytes], stdin: bytes | None, deadline: float, max_output: int
) -> tuple[bytes, bytes, bool]:
    kept: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    waiting, total = memoryview(stdin or b""), 0
    with selectors.DefaultSelector() as selector:
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, name)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "in")
        while any(key.data != "in" for key in selector.get_map().values()):
            left = deadline - time.monotonic()
            if left <= 0 or total > _FLOOD:
                end_session(process)
                return bytes(kept["out"]), bytes(kept["err"]), True
            for key, _ in selector.select(min(left, 1.0)):
                if key.data == "in":
                    waiting = _feed(selector, process.stdin, waiting)
                    continue
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                total += len(chunk)
                room = max_output - len(kept[key.data])
                kept[key.data] += chunk[: max(room, 0)]
    timed_out = not _wait(process, deadline)
    return bytes(kept["out"]), bytes(kept["err"]), timed_out


def _feed(selector: selectors.BaseSelector, stream: IO[bytes] | None, waiting: memoryview) -> memoryview:
    if stream is None:
        return waiting
    try:
        waiting = waiting[os.write(stream.fileno(), waiting[:_CHUNK]) :]
    except OSError:
        waiting = memoryview(b"")
    if not waiting:
        selector.unregister(stream)
        with suppress(OSError):
            stream.close()
    return waiting


def _wait(process: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        end_session(process)
        return False
    return True


def end_session(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything in its session: asked first, then killed."""
    for number, grace in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            continue
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return
