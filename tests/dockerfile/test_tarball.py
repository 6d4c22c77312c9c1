"""The archive, read back with the standard library: names, kinds, modes, contents, and the format it is in."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscan.dockerfile.context import RESERVED_DOCKERFILE, BuildContext, context_tar, read_context

LONG = "l" * 101
DEEP = f"{'d' * 120}/{'e' * 255}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def members(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            found[member.name] = (member, file.read() if file else b"")
    return found


def packed(context: BuildContext, replace: dict[str, bytes] | None = None) -> bytes:
    return b"".join(context_tar(context, replace))


def test_members(root: Path) -> None:
    (root / "d").mkdir(mode=0o750)
    (root / "d/run").write_bytes(b"x" * 1000)
    (root / "d/run").chmod(0o4755)
    os.utime(root / "d/run", (1, 1_600_000_000.9))
    (root / "link").symlink_to("./d/../d/run")
    os.link(root / "d/run", root / "hard")
    found = members(packed(read_context(root)))
    kinds = {name: (member.type, oct(member.mode), member.linkname) for name, (member, _) in found.items()}
    assert kinds == {
        "Dockerfile": (tarfile.REGTYPE, "0o644", ""),
        "d": (tarfile.DIRTYPE, "0o750", ""),
        "d/run": (tarfile.REGTYPE, "0o4755", ""),
        "hard": (tarfile.REGTYPE, "0o4755", ""),
        "link": (tarfile.SYMTYPE, "0o777", "./d/../d/run"),
    }
    assert found["d/run"][1] == found["hard"][1] == b"x" * 1000
    assert found["d/run"][0].mtime == 1_600_000_000
    assert {(m.uid, m.gid, m.uname, m.gname) for m, _ in found.values()} == {(0, 0, "", "")}


def test_names_of_any_bytes_and_length(root: Path) -> None:
    names = [
        b"new\nline",
        b"bad\xff\xfe",
        "ünï".encode(),
        b"x" * 100,
        LONG.encode(),
        b"y" * 255,
        DEEP.encode(),
        b"z" * 99,
    ]
    for name in names:
        path = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    found = members(packed(read_context(root)))
    assert {os.fsencode(name): content for name, (member, content) in found.items() if member.isfile()} == {
        **{name: name for name in names},
        b"Dockerfile": b"FROM scratch\n",
    }


@pytest.mark.parametrize("length", [99, 100, 101, 511, 512, 513, 3000])
def test_long_link_targets(root: Path, length: int) -> None:
    (root / "link").symlink_to("t" * length)
    assert members(packed(read_context(root)))["link"][0].linkname == "t" * length


def test_gnu_format_that_starts_with_a_short_name(root: Path) -> None:
    (root / ("A" * 200)).write_text("sorted first")
    data = packed(read_context(root))
    assert data[257:265] == b"ustar  \0"
    assert data[156:157] == tarfile.REGTYPE
    assert b"PaxHeader" not in data
    assert len(data) % 10240 == 0


def test_only_long_names(tmp_path: Path) -> None:
    folder = tmp_path / ("n" * 150)
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    context = read_context(tmp_path, folder / "Dockerfile")
    data = packed(context)
    assert data[:3] == b"./\0"
    assert members(data)[context.dockerfile][1] == b"FROM scratch\n"


def test_dockerfile_is_always_there(root: Path) -> None:
    (root / ".dockerignore").write_text("**\n")
    assert {name: content for name, (_, content) in members(packed(read_context(root))).items() if name != "."} == {
        RESERVED_DOCKERFILE: b"FROM scratch\n"
    }


def test_replace(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d/script").write_text("old")
    (root / "d/script").chmod(0o755)
    (root / "link").symlink_to("d/script")
    os.utime(root / "d/script", (1, 1))
    replaced = {
        "d/script": b"new" * 500,
        "link": b"a file now",
        "Dockerfile": b"FROM a\n",
        "added/x": b"",
        "\udcff": b"y",
    }
    found = members(packed(read_context(root), replaced))
    assert {name: found[name][1] for name in replaced} == replaced
    assert (found["d/script"][0].mode, found["added/x"][0].mode) == (0o755, 0o644)
    assert found["link"][0].isfile()
    assert abs(found["d/script"][0].mtime - time.time()) < 60
    assert (root / "d/script").read_text() == "old"


def test_replaced_dockerfile_under_the_reserved_name(root: Path) -> None:
    (root / ".dockerignore").write_text("Dockerfile\n")
    context = read_context(root)
    assert members(packed(context, {context.dockerfile: b"FROM b\n"}))[RESERVED_DOCKERFILE][1] == b"FROM b\n"


def test_sizes_and_times_beyond_octal(root: Path) -> None:
    with (root / "sparse").open("wb") as file:
        file.truncate(9 << 30)
    os.utime(root / "Dockerfile", (0, -86_400))
    pieces = context_tar(read_context(root))
    head = b"".join(piece for piece, _ in zip(pieces, range(3), strict=False))
    first = tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    second = tarfile.TarInfo.frombuf(head[1024:1536], "utf-8", "surrogateescape")
    assert (first.name, first.mtime) == ("Dockerfile", -86_400)
    assert (second.name, second.size) == ("sparse", 9 << 30)


def test_pieces_are_bounded(root: Path) -> None:
    (root / "large").write_bytes(os.urandom(5_000_000))
    for number in range(500):
        (root / f"f{number}").touch()
    pieces = list(context_tar(read_context(root)))
    assert max(map(len, pieces)) < 2 << 20
    assert len(pieces) < 30


def first_piece(pieces: Iterator[bytes]) -> bytes:
    return next(pieces)


def test_file_that_shrinks_or_grows_while_it_is_read(root: Path) -> None:
    (root / "Dockerfile").unlink()
    (root / "a.Dockerfile").write_bytes(b"FROM scratch\n")
    for name in ("b", "c"):
        (root / name).write_bytes(b"1" * 3_000_000)
    pieces = context_tar(read_context(root, root / "a.Dockerfile"))
    data = first_piece(pieces)
    (root / "b").write_bytes(b"2" * 10)
    with (root / "c").open("ab") as file:
        file.write(b"3" * 500_000)
    found = members(data + b"".join(pieces))
    assert len(found["b"][1]) == 3_000_000
    assert found["b"][1].endswith(b"\0" * 1_000_000)
    assert len(found["c"][1]) == 3_500_000  # it had grown before its turn came


def test_what_vanishes_or_becomes_something_else_is_left_out(root: Path) -> None:
    for name in ("gone", "fifo", "link"):
        (root / name).write_text("x")
    (root / "folder").mkdir()
    context = read_context(root)
    for name in ("gone", "fifo", "link"):
        (root / name).unlink()
    (root / "folder").rmdir()
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("/etc/hostname")
    assert set(members(packed(context))) == {"Dockerfile"}


def test_nothing_is_written_to_the_tree(root: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (root, *root.iterdir())}
    packed(read_context(root), {"new": b"x"})
    assert {path.name: path.stat().st_mtime_ns for path in (root, *root.iterdir())} == before
    assert stat.S_ISDIR(root.stat().st_mode)
