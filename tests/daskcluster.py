"""Dask clusters for the tests: scheduler and workers as processes of their own, as they are started by hand."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

_START_S = 60
OTHER_VERSION = """
import imgscan
imgscan.__version__ = "9.9.9"
"""
OTHER_DISTRIBUTED = """
import distributed.versions
distributed.versions._version_cached = lambda name: "1.0.0"
"""
NO_IMGSCAN = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "imgscan":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nothing())
"""
_COMMAND = """
import sys
from distributed.cli.dask_{kind} import main
main(sys.argv[1:])
"""


class Cluster:
    """A scheduler, and the workers that are started with it. `log` is what all of them say."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self.log = folder / "log"
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
            **environment,
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""
        self.dashboard = ""

    def start_scheduler(self, *options: str, first: str = "") -> subprocess.Popen[bytes]:
        """Start it, and wait until it listens."""
        file = self._folder / "scheduler.json"
        file.unlink(missing_ok=True)
        started = self._start("scheduler", ["--host", "127.0.0.1", "--scheduler-file", str(file), *options], first)
        end = time.monotonic() + _START_S
        while not self.address or self._read(file)[0] != self.address:
            self.address, self.dashboard = self._read(file)
            if started.poll() is not None or time.monotonic() > end:
                pytest.fail(f"no scheduler: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        return started

    def start_worker(self, *options: str, first: str = "", nanny: bool = False) -> subprocess.Popen[bytes]:
        """Start one with one thread. `first` is what its process runs before."""
        given = ["--nthreads", "1", "--host", "127.0.0.1", "--nanny" if nanny else "--no-nanny", "--no-dashboard"]
        given += ["--local-directory", str(self._folder), "--memory-limit", "0"]
        return self._start("worker", [self.address, *given, *options], first)

    def close(self) -> None:
        """End whatever is left."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, kind: str, options: Sequence[str], first: str) -> subprocess.Popen[bytes]:
        program = first + _COMMAND.format(kind=kind)
        with self.log.open("ab") as output:
            started = subprocess.Popen(
                [sys.executable, "-c", program, *options],
                env=self._environment,
                stdout=output,
                stderr=output,
                cwd=self._folder,
            )
        self.processes.append(started)
        return started

    @staticmethod
    def _read(file: Path) -> tuple[str, str]:
        try:
            document = json.loads(file.read_text())
        except (OSError, ValueError):
            return "", ""
        port = document.get("services", {}).get("dashboard")
        return document["address"], f"http://127.0.0.1:{port}" if port else ""


@contextlib.contextmanager
def cluster(
    folder: Path, *, workers: int = 1, nanny: bool = False, scheduler_first: str = "", **environment: str
) -> Iterator[Cluster]:
    """A scheduler with workers, for as long as the block lasts."""
    made = Cluster(folder, environment)
    try:
        made.start_scheduler("--port", "0", "--no-dashboard", first=scheduler_first)
        for _ in range(workers):
            made.start_worker(nanny=nanny)
        yield made
    finally:
        made.close()
