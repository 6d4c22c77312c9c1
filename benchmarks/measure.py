"""One command as a whole process tree: started, watched, reaped -> seconds, CPU seconds, peak memory, exit code.

CPU seconds are the kernel's account of the process and all that it waited for. Memory is sampled from /proc: the sum
over the tree, and the high-water mark of its largest process. (ru_maxrss will not do for small commands: a child starts
with its parent's.)
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

SAMPLE_EVERY_S: Final = 0.02
KIB: Final = 1024
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CPU_FIELDS: Final = slice(11, 15)
"""utime, stime, cutime, cstime in /proc/PID/stat after the closing parenthesis of the name (proc(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run. `engine_cpu_s` is what the engine's daemon spent meanwhile, for whomever; None where it is not a process
    of this machine that may be looked at. `timed_out` runs were killed."""

    wall_s: float
    cpu_s: float
    engine_cpu_s: float | None
    tree_bytes: int
    process_bytes: int
    exit_code: int
    timed_out: bool = False


def measure(
    command: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    output: IO[bytes] | None = None,
    log: IO[bytes] | None = None,
    engine_pid: int | None = None,
) -> Measured:
    """Run `command` to its end and say what it took.

    Its standard output goes to `output`, its errors to `log` (None: away). After `timeout_s` its process group is
    killed. Raises OSError when it cannot be started.
    """
    before = tree_cpu_s(engine_pid) if engine_pid is not None else None
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
        env=None if environment is None else dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    watch = _Watch(process.pid, started + timeout_s)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        _kill_group(process.pid)
        process.wait()
        raise
    finally:
        watch.stop()
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    after = tree_cpu_s(engine_pid) if engine_pid is not None else None
    return Measured(
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime,
        engine_cpu_s=None if before is None or after is None else max(after - before, 0.0),
        tree_bytes=watch.tree_bytes,
        process_bytes=watch.process_bytes,
        exit_code=process.returncode,
        timed_out=watch.killed,
    )


class _Watch:
    """Samples a process tree in a thread of its own until stopped, and ends it at the deadline."""

    def __init__(self, pid: int, deadline: float) -> None:
        self.tree_bytes = self.process_bytes = 0
        self.killed = False
        self._pid, self._deadline = pid, deadline
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            sizes = [memory(pid) for pid in tree(self._pid)]
            self.process_bytes = max([self.process_bytes, *(peak for _, peak in sizes)])
            # A peak between two samples is in the high-water mark alone.
            self.tree_bytes = max(self.tree_bytes, sum(now for now, _ in sizes), self.process_bytes)
            if not self.killed and time.perf_counter() > self._deadline:
                self.killed = True
                _kill_group(self._pid)
            if self._stopped.wait(SAMPLE_EVERY_S):
                return


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def tree(pid: int) -> list[int]:
    """`pid` and every descendant of it that is there now."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += _children(current)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for thread in _names(f"/proc/{pid}/task"):
        with suppress(OSError):
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
            children += [int(word) for word in text.split()]
    return children


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # names only, thousands of times
    except OSError:
        return []


def memory(pid: int) -> tuple[int, int]:
    """Resident bytes of a process now, and at their highest; zeros when it has gone."""
    now = peak = 0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                now = int(line.split()[1]) * KIB
            elif line.startswith("VmHWM:"):
                peak = int(line.split()[1]) * KIB
    return now, peak


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process, its descendants, and those of theirs that have ended."""
    return sum(_cpu_ticks(member) for member in tree(pid)) / _TICKS


def _cpu_ticks(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return sum(int(word) for word in text.rpartition(")")[2].split()[_CPU_FIELDS])


def engine_pid(host: str) -> int | None:
    """The process that listens on the unix socket of a DOCKER_HOST; None for other hosts, or when it is not the
    daemon itself (a socket that the init system opened names that)."""
    path = host.removeprefix("unix://")
    if path == host:
        return None
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return None
        pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid) if pid > 1 else None


def drop_page_cache() -> None:
    """Forget what the kernel keeps of files in memory (Linux, as root). Raises OSError."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
