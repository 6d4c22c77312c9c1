"""Images made to exhaust memory or time: each ends with a sentence and an exit code, and takes no more memory than a
trivial image does, but for a bounded amount."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import random
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from imagemaker import Made, docker25, dump, sha
from tarmaker import (
    archive,
    directory,
    gnu_sparse,
    header,
    long_name,
    member,
    pax,
    sparse_0,
    sparse_01,
    sparse_1,
    symlink,
)

from imgscan.cli.main import run

MEBI = 1 << 20
ZEROS = bytes(16 * MEBI)

# The peak of a process that was forked counts its parent's pages: one without any starts the program.
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([code, peak if sys.platform == "darwin" else peak * 1024]))
"""


class Scanned(NamedTuple):
    """What `imgscan scan` gave, and the most memory it (or one of its processes) had, in bytes."""

    code: int
    peak_bytes: int
    report: dict[str, Any]
    said: str

    @property
    def reasons(self) -> str:
        return "\n".join(f"{item['where']}: {item['reason']}" for item in self.report["skipped"])


def scan(target: str, folder: Path, *args: str, stream: Iterable[bytes] = ()) -> Scanned:
    """Scan in a process of its own; `stream` is its standard input."""
    out = folder / "report.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "imgscan", "scan", target, "--no-config", "--format", f"json={out}", *args]
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", MEASURE, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        for piece in stream:
            process.stdin.write(piece)
    except BrokenPipeError:
        pass  # it had seen enough
    output, errors = process.communicate(timeout=300)
    code, peak = json.loads(output.splitlines()[-1])
    report = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return Scanned(code, peak, report, errors.decode())


def clean(*layers: bytes) -> Made:
    """An image about whose configuration there is nothing to say."""
    return Made(layers=layers, settings={"User": "1000", "Healthcheck": {"Test": ["CMD", "/bin/app"]}})


@pytest.fixture(scope="module")
def trivial_peak(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The memory that a scan of next to nothing takes."""
    folder = tmp_path_factory.mktemp("trivial")
    (folder / "image.tar").write_bytes(docker25(clean(archive(member(b"bin/app", b"\x7fELF")))))
    found = scan(str(folder / "image.tar"), folder)
    assert (found.code, found.report["complete"]) == (0, True)
    return found.peak_bytes


def saved(layer: bytes) -> bytes:
    """The old layout with one layer, of which the configuration knows nothing."""
    listed = dump([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["layer"]}])
    return archive(member(b"c.json", clean(b"").config), member(b"manifest.json", listed), member(b"layer", layer))


def gzip_of_zeros(count: int) -> bytes:
    """The tar of a file of `count` times 16 MiB of zeros as gzip, made of one piece again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    head = packer.compress(header(b"zeros", size=count * len(ZEROS))) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + head + piece * count


def zstd_of_zeros(count: int) -> bytes:
    """The same as frames of zstd."""
    from backports import zstd

    return bytes(zstd.compress(header(b"zeros", size=count * len(ZEROS))) + zstd.compress(ZEROS) * count)


BOMBS = {"gzip": lambda: gzip_of_zeros(640), "zstd": lambda: zstd_of_zeros(640)}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_cut_off_by_their_ratio(bomb: str, tmp_path: Path, trivial_peak: int) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(saved(BOMBS[bomb]()))
    found = scan(str(path), tmp_path, "--strict")
    assert found.code == 5, found.said
    assert found.report["complete"] is False
    assert "a decompression bomb" in found.reasons
    assert found.peak_bytes - trivial_peak < 64 * MEBI


def test_a_bomb_around_the_archive_is_no_image(tmp_path: Path, trivial_peak: int) -> None:
    path = tmp_path / "image.tar.zst"
    path.write_bytes(zstd_of_zeros(640))
    found = scan(str(path), tmp_path)
    assert (found.code, found.report) == (2, {})
    assert "a decompression bomb" in found.said
    assert "Traceback" not in found.said
    assert found.peak_bytes - trivial_peak < 64 * MEBI


def test_what_is_compressed_twice_is_unpacked_once(tmp_path: Path, trivial_peak: int) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(saved(gzip.compress(zstd_of_zeros(40))))
    found = scan(str(path), tmp_path, "--strict")
    assert (found.code, found.report["complete"]) == (5, False)
    assert "the checksum is no number" in found.reasons
    assert found.peak_bytes - trivial_peak < 64 * MEBI


HUGE = 20 << 30
PIECES = [(HUGE // 2, 6), (HUGE - 3, 3)]
SPARSE = {"old-gnu": gnu_sparse, "pax-0.0": sparse_0, "pax-0.1": sparse_01, "pax-1.0": sparse_1}


@pytest.mark.parametrize("form", SPARSE)
def test_a_sparse_file_of_20_gib_is_read_where_it_has_data(form: str, tmp_path: Path, trivial_peak: int) -> None:
    layer = archive(SPARSE[form](b"var/log/lastlog", HUGE, PIECES, b"SECRETend"), member(b"bin/app", b"\x7fELF"))
    assert len(layer) < 8192
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(clean(layer)))
    found = scan(str(path), tmp_path, "--strict", "--fail-on", "never")
    assert found.code in (0, 1), found.said
    assert found.report["complete"] is True
    assert found.report["image"]["size_bytes"] == HUGE + 4
    assert found.report["image"]["layers"][0]["entries"] == 2
    assert found.peak_bytes - trivial_peak < 64 * MEBI


def piped(size: int) -> Iterator[bytes]:
    """`docker save` of an image with one layer of `size` bytes, which is made while it is read."""
    noise = random.Random(1).randbytes(MEBI)
    pieces = [header(b"data", size=size), *itertools.repeat(noise, size // MEBI), bytes(1024)]
    diff = hashlib.sha256()
    for piece in pieces:
        diff.update(piece)
    config = clean(b"").config.replace(sha(b"").encode(), diff.hexdigest().encode())
    yield header(b"l/layer.tar", size=size + 1536)
    yield from pieces
    yield member(b"c.json", config)
    yield member(b"manifest.json", dump([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l/layer.tar"]}]))
    yield bytes(1024)


def test_a_layer_of_2_gib_through_a_pipe(tmp_path: Path, trivial_peak: int) -> None:
    found = scan("-", tmp_path, "--strict", stream=piped(2 << 30))
    assert found.code in (0, 1), found.said
    assert found.report["complete"] is True, found.reasons
    assert found.report["coverage"]["bytes"] == found.report["image"]["size_bytes"] == 2 << 30
    assert found.peak_bytes - trivial_peak < 96 * MEBI


def long_headers() -> bytes:
    """An entry with a path of a mebibyte, and one behind five thousand extension headers, of which the last counts."""
    return archive(
        pax((b"path", b"p" * (MEBI - 100))),
        member(b"short", b"1"),
        *(pax((b"path", b"wrong%d" % number), (b"comment", b"c" * 4000)) for number in range(2500)),
        *(long_name(b"wrong%d" % number) for number in range(2499)),
        long_name(b"right"),
        member(b"short", b"2"),
    )


def whiteouts() -> tuple[bytes, bytes]:
    """A directory of many files, and their removal one by one."""
    names = [b"d/%06d" % number for number in range(100_000)]
    return (
        archive(member(b"bin/app", b"\x7fELF"), directory(b"d/"), *(header(name) for name in names)),
        archive(*(header(b"d/.wh." + name[2:]) for name in names)),
    )


def test_long_headers(tmp_path: Path, trivial_peak: int) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(clean(long_headers())))
    found = scan(str(path), tmp_path, "--strict")
    # The path of a mebibyte is longer than any file system allows, which is told.
    assert (found.code, found.report["complete"]) == (5, False)
    assert [note["reason"] for note in found.report["skipped"]] == [
        "entry 1: a path is longer than 4,096 bytes or has more than 512 parts"
    ]
    assert found.report["image"]["layers"][0]["entries"] == 2
    assert found.peak_bytes - trivial_peak < 64 * MEBI


def test_a_hundred_thousand_whiteouts(tmp_path: Path, trivial_peak: int) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(clean(*whiteouts())))
    found = scan(str(path), tmp_path, "--strict")
    assert (found.code, found.report["complete"]) == (0, True), found.said
    assert [layer["whiteouts"] for layer in found.report["image"]["layers"]] == [0, 100_000]
    assert found.peak_bytes - trivial_peak < 128 * MEBI


ENTRY = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l/layer.tar"]}
CONFIG = member(b"c.json", clean(archive()).config)
LISTED = member(b"manifest.json", dump([ENTRY]))
NO_IMAGES = {
    "links-in-a-circle": archive(LISTED, CONFIG, symlink(b"l/layer.tar", b"../m"), symlink(b"m", b"l/layer.tar")),
    "a-layer-missing": archive(LISTED, CONFIG),
    "a-config-missing": archive(LISTED, member(b"l/layer.tar", archive())),
    "a-manifest-missing": archive(CONFIG, member(b"l/layer.tar", archive())),
    "cut-off": archive(LISTED, CONFIG, member(b"l/layer.tar", archive()))[:-2400],
    "a-size-beyond-any-file": LISTED + CONFIG + header(b"l/layer.tar", size=1 << 62),
    "nothing": b"",
    "noise": b"\x8b" * 2000,
}


@pytest.mark.parametrize("way", ["file", "pipe", "gzip"])
@pytest.mark.parametrize("case", NO_IMAGES)
def test_what_is_no_image_ends_with_2_and_a_sentence(
    case: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(gzip.compress(NO_IMAGES[case]) if way == "gzip" else NO_IMAGES[case])
    with path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        code = run(["scan", "-" if way == "pipe" else str(path), "--no-config"])
    said = capsys.readouterr().err
    assert code == 2, said
    assert said.startswith("imgscan: error: ") or "imgscan:" in said
    assert "Traceback" not in said
