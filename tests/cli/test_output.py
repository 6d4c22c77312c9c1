"""Where reports go: files appear whole, and what is no file stays what it is."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from imgscan.cli.options import Output
from imgscan.cli.output import plan_outputs, write_atomically


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("before")
    with path.open() as before:
        write_atomically(path, "after")
        assert (before.read(), path.read_text()) == ("before", "after")
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_a_file_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.touch()
    path.chmod(mode)
    write_atomically(path, b"\xff")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"\xff", mode)


def test_a_file_in_memory_is_replaced_as_any_other() -> None:
    """Anybody may have put a link there."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        (Path(folder) / "precious").write_text("before")
        (Path(folder) / "r.json").symlink_to("precious")
        write_atomically(Path(folder) / "r.json", "report")
        assert (Path(folder) / "precious").read_text() == "before"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    write_atomically(path, "text")
    reader.join(30)
    assert read == ["text"]
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_descriptor_by_its_name_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        path = Path(f"/proc/self/fd/{out.fileno()}")
        assert plan_outputs([Output(name="json", path=path)], quiet=True)
        write_atomically(path, "text")
    assert (tmp_path / "out").read_text() == "text"


def test_a_device_stays_one() -> None:
    master, slave = os.openpty()
    path = Path(os.ttyname(slave))
    try:
        assert plan_outputs([Output(name="json", path=path)], quiet=True)
        write_atomically(path, "text")
        assert os.read(master, 100) == b"text"
        assert stat.S_ISCHR(path.lstat().st_mode)
    finally:
        os.close(master)
        os.close(slave)


def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    """Whoever made what is scanned may have made the link."""
    (tmp_path / "precious").write_text("before")
    (tmp_path / "r.json").symlink_to("precious")
    write_atomically(tmp_path / "r.json", "report")
    assert (tmp_path / "precious").read_text() == "before"
    assert (tmp_path / "r.json").read_text() == "report"
    assert not (tmp_path / "r.json").is_symlink()
