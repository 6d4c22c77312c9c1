"""Timing of process trees, on real ones."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure import engine_pid, measure, memory, tree, tree_cpu_s

pytestmark = pytest.mark.alone
MB = 1_000_000
PARENT = """
import subprocess, sys, time
block = bytearray({own}) and b"x" * {own}
child = subprocess.Popen([sys.executable, "-c", "import time; block = b'x' * {child}; time.sleep(0.5)"])
child.wait()
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_memory_is_that_of_the_whole_tree() -> None:
    found = measure(python(PARENT.format(own=60 * MB, child=80 * MB)), timeout_s=60)
    assert found.exit_code == 0
    assert 140 * MB <= found.tree_bytes < 240 * MB
    assert 80 * MB <= found.process_bytes < 140 * MB


def test_a_small_command_is_not_given_its_parents_memory() -> None:
    ballast = b"x" * (200 * MB)
    found = measure(["sleep", "0.2"], timeout_s=60)
    assert len(ballast) == 200 * MB
    assert 0 < found.process_bytes < 20 * MB


def test_cpu_seconds_include_those_of_children() -> None:
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    found = measure(python(code), timeout_s=60)
    assert 0.4 <= found.cpu_s < 5
    assert found.wall_s >= 0.4


@pytest.mark.parametrize("code", [0, 3, 200])
def test_exit_code(code: int) -> None:
    assert measure(python(f"raise SystemExit({code})"), timeout_s=60).exit_code == code


def test_output_and_errors_go_where_they_are_wanted(tmp_path: Path) -> None:
    code = "import sys; print('report'); print('trouble', file=sys.stderr)"
    with (tmp_path / "out").open("wb") as output, (tmp_path / "log").open("wb") as log:
        measure(python(code), timeout_s=60, output=output, log=log)
    assert (tmp_path / "out").read_text() == "report\n"
    assert (tmp_path / "log").read_text() == "trouble\n"


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    # Long enough for a shell to start on a busy machine.
    found = measure(["sh", "-c", 'sleep 60 & echo $! >"$0"; wait', str(note)], timeout_s=1)
    assert found.timed_out
    assert found.exit_code < 0
    assert found.wall_s < 60
    deadline = time.monotonic() + 30
    while is_alive(int(note.read_text())):
        assert time.monotonic() < deadline, "its child is still there"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        measure(["/nowhere/at/all"], timeout_s=1)


def test_environment_and_folder(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as output:
        measure(
            python("import os; print(os.environ['NAME'], os.getcwd())"),
            timeout_s=60,
            environment={"NAME": "value"},
            folder=tmp_path,
            output=output,
        )
    assert (tmp_path / "out").read_text() == f"value {tmp_path}\n"


def test_the_engine_is_the_process_behind_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        assert engine_pid(f"unix://{tmp_path / 's'}") == os.getpid()
    assert engine_pid(f"unix://{tmp_path / 'nobody'}") is None
    assert engine_pid("tcp://localhost:2375") is None


def test_the_engines_cpu_seconds_are_those_of_the_run() -> None:
    found = measure(["sleep", "0.1"], timeout_s=60, engine_pid=os.getpid())
    assert found.engine_cpu_s is not None
    assert 0 <= found.engine_cpu_s < 5
    assert measure(["true"], timeout_s=60).engine_cpu_s is None


def test_a_process_that_has_gone_takes_nothing() -> None:
    gone = 2**22 + 1  # above the greatest process number there can be
    assert tree(gone) == [gone]
    assert memory(gone) == (0, 0)
    assert tree_cpu_s(gone) == 0
