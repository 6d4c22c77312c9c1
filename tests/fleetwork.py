"""What is done with tasks in the tests of a fleet: functions that other processes find, and tasks for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from imgscan.errors import InputError
from imgscan.fleets import BlobToRead, LayerOutcome, LayerTask
from imgscan.source.backoff import Effects
from imgscan.source.credentials import find_login
from imgscan.source.reference import parse_reference
from imgscan.source.registry import open_registry_image

PROGRAM = """
import sys
from contextlib import closing
from fleetwork import act, task
from imgscan.fleet.execute import execute

if __name__ == "__main__":
    tasks = [task(number, ref=f"mark:{sys.argv[1]}") for number in range(4)]
    with closing(execute(tasks, jobs=2, work=act)) as done:
        for one in done:
            print(one)
"""


def ends_within(pids: list[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """All descendants."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(path.parent.name), *children(int(path.parent.name))]
    return found


def task(number: int, *, ref: str = "", host: str = "", size: int = 1000) -> LayerTask:
    """A task of one layer. `ref` says what the functions here are to do with it."""
    digest = f"sha256:{number:064x}"
    blob = BlobToRead(blob=digest, diff_id=digest, digest=digest, size_bytes=size)
    return LayerTask(
        ref=ref or f"image-{number}", kind="registry", platform=None, host=host, blobs=(blob,), version="1", seal_key=b"k" * 32
    )  # fmt: skip


def number_of(done: LayerTask) -> int:
    return int(done.blobs[0].diff_id[7:], 16)


def outcomes(given: LayerTask, why: str = "") -> tuple[LayerOutcome, ...]:
    return tuple(LayerOutcome(blob=blob, sealed=None, read_bytes=1, seconds=0.0, why=why) for blob in given.blobs)


def name_process(given: LayerTask) -> Sequence[LayerOutcome]:
    """Say which process it was, and what was granted."""
    return outcomes(given, f"{os.getpid()} {given.bytes_per_s}")


def act(given: LayerTask) -> Sequence[LayerOutcome]:
    """Do what the reference says: `sleep:S`, `die`, `die-once:FILE`, `stray:FILE` (for ever, but once), `mark:FOLDER` (and
    sleep), `fail`, `crash`, or nothing."""
    word, _, argument = given.ref.partition(":")
    if word == "sleep":
        time.sleep(float(argument))
    elif word == "die" or (word == "die-once" and not Path(argument).exists()):
        if argument:
            Path(argument).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "stray":
        if not Path(argument).exists():
            Path(argument).touch()
            time.sleep(120)
    elif word == "mark":
        Path(argument, f"{os.getpid()}-{number_of(given)}").touch()
        time.sleep(60)
    elif word == "fail":
        raise InputError("it is broken", cause="somebody broke it", next_step="mend it")
    elif word == "crash":
        raise ValueError(argument)
    return outcomes(given, str(os.getpid()))


def read_layers_of(given: LayerTask) -> Sequence[LayerOutcome]:
    """Read the blobs of the task from their registry, as fast as the task may, with the login of this process's user.
    A second layer that is wanted is asked for by a bug, which has the password at hand."""
    began = time.monotonic()
    with closing(
        open_registry_image(given.ref, effects=Effects(sleep=time.sleep), bytes_per_s=given.bytes_per_s)
    ) as reader:
        read = sum(len(data) for blob in reader.blobs() for data in iter(lambda b=blob: b.stream.read(1 << 20), b""))  # type: ignore[misc]
    if given.kind == "bug":
        login = find_login(parse_reference(given.ref), environment=os.environ, home=Path.home())
        assert login.credentials is not None
        raise ValueError(f"Authorization: {login.credentials.basic} for {login.credentials.password}")
    seconds = time.monotonic() - began
    return tuple(LayerOutcome(blob=blob, sealed=None, read_bytes=read, seconds=seconds) for blob in given.blobs)
