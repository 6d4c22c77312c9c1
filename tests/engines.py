"""Real engines for tests: the one of the machine with a base image of one program, and a private one to be killed."""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imgscan.engine import Engine
from imgscan.errors import EngineError

BASE = "imgscan-fixture-busybox:2"
_NUMBERS = itertools.count()
APPLETS = ["sh", "cat", "cp", "sleep", "echo", "ls", "touch", "rm", "mkdir", "true", "false", "dd", "head", "seq"]


def busybox_rootfs() -> bytes:
    """A tar of a root file system with the machine's static busybox and links to it (package busybox-static)."""
    program = shutil.which("busybox")
    assert program, "the engine tests need busybox-static"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("bin", "tmp", "etc"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        tar.add(program, "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def ensure_base(engine: Engine) -> str:
    """The base image's name; imported when it is not there. It stays: others use it too, and it is 2 MB."""
    with Path(tempfile.gettempdir(), f"imgscan-tests-{os.geteuid()}.lock").open("w") as lock:
        # Of several processes that find it missing one makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if BASE not in engine.tags(BASE):
            name, _, tag = BASE.partition(":")
            engine.api.import_image_from_data(busybox_rootfs(), repository=name, tag=tag)
    return BASE


@dataclass(frozen=True)
class PrivateEngine:
    """A dockerd of the test's own."""

    host: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """The end without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def private_engine() -> Iterator[PrivateEngine]:
    """A dockerd with its own data and its own bridge; removed with all its processes, mounts and the bridge.

    Never with `--bridge=none`: a dockerd started so deletes the interface docker0, which is that of the engine beside
    it. It leaves the firewall alone for the same reason, so its builds have no network but the host's.
    """
    folder = Path(tempfile.mkdtemp(prefix="imgscan-engine-", dir="/tmp"))
    host = f"unix://{folder}/d.sock"
    command = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-p", f"{folder}/pid"]
    number = next(_NUMBERS)
    bridge = f"imgt{os.getpid()}n{number}"
    command += ["-H", host, "--bridge", bridge, "--iptables=false", "--ip6tables=false"]
    command += ["--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]
    make_bridge(bridge, number)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_it_answers(host, process, folder / "log")
        yield PrivateEngine(host, process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        kill_session(process.pid)
        remove_tree(folder)
        subprocess.run(["ip", "link", "delete", bridge], check=True, capture_output=True)


def make_bridge(name: str, number: int) -> None:
    """A bridge with an address of its own, up."""
    address = f"10.229.{(os.getpid() + number) % 250}.1/24"
    for arguments in (["add", "name", name, "type", "bridge"], ["set", name, "up"]):
        subprocess.run(["ip", "link", *arguments], check=True, capture_output=True)
    subprocess.run(["ip", "addr", "add", address, "dev", name], check=True, capture_output=True)


def wait_until_it_answers(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            Engine.connect(host).close()
        except EngineError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"dockerd did not start: {log.read_text(errors='replace')[-2000:]}")


def kill_session(session: int) -> None:
    """End what a killed dockerd leaves running: its containerd and shims, by their session."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getsid(int(entry.name)) == session:
                os.kill(int(entry.name), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def remove_tree(folder: Path) -> None:
    """Remove a folder and what is still mounted in it."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
