"""Blobs as layers come: every compression, several frames, damage, bombs, and what hides behind the end."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import sys
import time
import types
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tarmaker import archive, member

from imgscan.layers.beside import search_index
from imgscan.layers.blob import BlobSummary, Limits, open_layer
from imgscan.layers.codec import CODECS, sniff
from imgscan.layers.digests import check_digests
from imgscan.layers.tar import TarEntry, read_entries
from imgscan.model import Digest, Skipped

NOISE = random.Random(7).randbytes(5000)
NOISY = archive(member(b"noise", NOISE))
TAR = archive(member(b"etc/passwd", b"root:x:0:0\n" * 500), member(b"b", b"z" * 70_000))


def digest(data: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def read(
    data: bytes, *, limits: Limits | None = None, verify: bool = True
) -> tuple[list[bytes], list[Skipped], BlobSummary]:
    stream = open_layer(io.BytesIO(data), where="layer 1", limits=limits or Limits(), verify=verify)
    names: list[bytes] = []
    skipped: list[Skipped] = []
    for item in read_entries(stream, where="layer 1"):
        if isinstance(item, TarEntry):
            names.append(item.entry.path)
        else:
            skipped.append(item)
    skipped += search_index(stream, None, "layer 1")
    return names, skipped, stream.finish()


def members_of_gzip(data: bytes, count: int) -> bytes:
    size = len(data) // count + 1
    return b"".join(gzip.compress(data[start : start + size]) for start in range(0, len(data), size))


@pytest.mark.parametrize(
    ("blob", "compression"),
    [
        pytest.param(TAR, "none", id="plain"),
        pytest.param(gzip.compress(TAR), "gzip", id="gzip"),
        pytest.param(members_of_gzip(TAR, 4), "gzip", id="gzip-members"),
        pytest.param(
            gzip.compress(TAR[:700]) + gzip.compress(b"") + gzip.compress(TAR[700:]), "gzip", id="empty-member"
        ),
        pytest.param(gzip.compress(TAR) + bytes(512), "gzip", id="gzip-padded-with-zeros"),
        pytest.param(bz2.compress(TAR), "bzip2", id="bzip2"),
        pytest.param(lzma.compress(TAR), "xz", id="xz"),
    ],
)
def test_reads_every_compression_and_both_digests(blob: bytes, compression: str) -> None:
    names, skipped, summary = read(blob)
    assert names == [b"etc/passwd", b"b"]
    assert skipped == []
    assert summary.skipped == ()
    assert (summary.compression, summary.digest, summary.diff_id) == (compression, digest(blob), digest(TAR))
    assert (summary.stored_bytes, summary.tar_bytes, summary.hidden_bytes) == (len(blob), len(TAR), 0)


@pytest.mark.parametrize(
    ("blob", "hidden"),
    [
        pytest.param(TAR + b"secret", 6, id="plain"),
        pytest.param(gzip.compress(TAR + bytes(512) + b"toc" + bytes(509)), 3, id="inside-gzip"),
        pytest.param(gzip.compress(TAR) + gzip.compress(b"toc"), 3, id="in-a-further-member"),
        pytest.param(gzip.compress(TAR) + b"not gzip", 8, id="behind-gzip"),
        pytest.param(gzip.compress(TAR) + b"x" * 300_000, 300_000, id="much-behind-gzip"),
        pytest.param(bz2.compress(TAR) + b"!", 1, id="behind-bzip2"),
    ],
)
def test_data_behind_the_end_is_flagged_with_its_size(blob: bytes, hidden: int) -> None:
    names, skipped, summary = read(blob)
    assert (len(names), skipped, summary.hidden_bytes) == (2, [], hidden)
    assert [note.reason for note in summary.skipped] == [
        f"{hidden:,} bytes of data lie hidden behind the end of the archive"
    ]
    assert summary.digest == digest(blob)


@pytest.mark.parametrize(
    ("trailing", "hidden"),
    [
        pytest.param(archive(member(b"stargz.index.json", b'{"version": 1}')), 0, id="index"),
        pytest.param(archive(member(b"stargz.index.json", b"x" * 900_000)), 0, id="large-index"),
        pytest.param(archive(member(b"stargz.index.json", b"{}")) + b"more", 4, id="more-behind-the-index"),
        pytest.param(bytes(9 * 512) + archive(member(b"stargz.index.json", b"{}")), 0, id="index-behind-padding"),
        pytest.param(archive(member(b"stargz.index.json", b"{}")) * 2, 0, id="two-indexes"),
        pytest.param(archive(member(b"other.json", b"{}"))[:1024], None, id="another-entry"),
    ],
)
def test_the_index_of_an_estargz_layer_hides_nothing(trailing: bytes, hidden: int | None) -> None:
    _, skipped, summary = read(members_of_gzip(TAR, 3) + gzip.compress(trailing))
    assert summary.hidden_bytes == (len(trailing) - trailing.count(0) if hidden is None else hidden)
    assert len(skipped) == (trailing.count(b"stargz.index.json") > 1), "there is one index"


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        pytest.param(gzip.compress(NOISY)[:200], "ends too early", id="gzip-cut-off"),
        pytest.param(bz2.compress(NOISY)[:100], "ends too early", id="bzip2-cut-off"),
        pytest.param(lzma.compress(NOISY)[:100], "ends too early", id="xz-cut-off"),
        pytest.param(
            gzip.compress(NOISY)[:150] + b"\xff" * 100 + gzip.compress(NOISY)[250:], "damaged", id="gzip-damaged"
        ),
        pytest.param(b"BZh9" + b"\0" * 100, "damaged", id="bzip2-damaged"),
        pytest.param(b"\x1f\x8b", "ends too early", id="gzip-magic-only"),
        pytest.param(gzip.compress(b"") * 20_000, "with nothing in them", id="empty-gzip-members"),
        pytest.param((b"\x5a\x2a\x4d\x18" + bytes(4)) * 20_000, "with nothing in them", id="skippable-zstd-frames"),
        pytest.param(TAR[:2000], "inside a file", id="plain-cut-off"),
        pytest.param(b'{"layers": []}', "inside a header", id="json"),
        pytest.param(b"x" * 2000, "checksum", id="no-tar"),
    ],
)
def test_damage_is_one_skipped_record(blob: bytes, said: str) -> None:
    _, skipped, summary = read(blob)
    notes = (*skipped, *summary.skipped)
    assert len(notes) == 1
    assert said in notes[0].reason
    assert notes[0].where == "layer 1"
    assert summary.hidden_bytes == 0


def test_damage_behind_the_archive_is_told_too() -> None:
    # The record size of some writers: zeros, so that the checksum lies well behind the end of the archive.
    broken = bytearray(gzip.compress(TAR + bytes(1 << 20)))
    broken[-8] ^= 0xFF
    names, skipped, summary = read(bytes(broken))
    assert (names, skipped) == ([b"etc/passwd", b"b"], [])
    assert "damaged" in summary.skipped[0].reason
    assert (summary.digest, summary.diff_id) == (None, None)


@pytest.mark.parametrize(
    "limits", [Limits(free_bytes=1 << 20, max_ratio=100), Limits(max_bytes=1 << 20)], ids=["ratio", "size"]
)
def test_bombs_end_early(limits: Limits) -> None:
    bomb = gzip.compress(member(b"zeros", bytes(64 << 20)), 9)
    names, skipped, summary = read(bomb, limits=limits)
    assert names == [b"zeros"]
    assert "unpacks to more than" in skipped[0].reason
    assert summary.tar_bytes < 8 << 20
    assert summary.diff_id is None


def test_what_is_left_of_a_damaged_blob_is_not_called_hidden() -> None:
    # Damaged before its first byte: the archive in it looks empty.
    _, skipped, summary = read(b"BZh9" + b"x" * 400_000)
    assert (skipped, summary.trailing_bytes, summary.hidden_bytes) == ([], 0, 0)
    assert ["damaged" in note.reason for note in summary.skipped] == [True]
    assert summary.stored_bytes == 400_004


def test_many_small_members_take_no_longer_than_their_bytes() -> None:
    """Each member's rest was copied for the next one: 184 s for five megabytes."""
    member_ = gzip.compress(archive(member(b"f", b"x" * 300)))
    started = time.process_time()
    _, _, summary = read(member_ * (3_000_000 // len(member_)))
    assert summary.skipped[0].reason.endswith("hidden behind the end of the archive")
    assert time.process_time() - started < 15


def test_high_ratios_of_small_layers_are_no_bombs() -> None:
    names, skipped, _ = read(gzip.compress(archive(member(b"zeros", bytes(8 << 20))), 9))
    assert (names, skipped) == ([b"zeros"], [])


def test_without_verification_plain_blobs_are_skipped_over() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    file = Counting(archive(member(b"big", bytes(50 << 20)), member(b"end", b"!")))
    stream = open_layer(file, verify=False)
    assert [item.entry.path for item in read_entries(stream) if isinstance(item, TarEntry)] == [b"big", b"end"]
    summary = stream.finish()
    assert summary.diff_id is None
    assert summary.tar_bytes == summary.stored_bytes == len(file.getvalue())
    assert file.taken < 2 << 20


@pytest.mark.parametrize(
    ("diff_id", "blob_digest", "wrong"),
    [
        pytest.param(digest(TAR), None, 0, id="right"),
        pytest.param(digest(b"other"), None, 1, id="wrong-diff-id"),
        pytest.param(digest(TAR), digest(b"other"), 1, id="wrong-digest"),
        pytest.param(Digest(""), None, 0, id="nothing-stated"),
        pytest.param(Digest("sha512:" + "0" * 128), None, 1, id="another-algorithm-than-was-computed"),
    ],
)
def test_digests_are_compared(diff_id: Digest, blob_digest: Digest | None, wrong: int) -> None:
    summary = read(TAR)[2]
    assert len(check_digests(summary, diff_id=diff_id, digest=blob_digest, where="layer 1")) == wrong


@pytest.mark.parametrize("stored", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("unpacked", ["sha256", "sha512"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_digests_are_computed_as_they_are_stated(stored: str, unpacked: str, pack: Callable[[bytes], bytes]) -> None:
    data = pack(TAR)
    stream = open_layer(io.BytesIO(data), hashes=(stored, unpacked))
    summary = stream.finish()
    assert summary.digest == f"{stored}:{hashlib.new(stored, data).hexdigest()}"
    assert summary.diff_id == f"{unpacked}:{hashlib.new(unpacked, TAR).hexdigest()}"


class FramedDecoder:
    """Stands in for a zstd library: frames are `28b52ffd`, a length byte, so much zlib data; skippable ones are empty."""

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._input = b""
        self._output: bytes | None = None

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._input += data
        if self._output is None and len(self._input) >= 8:
            end = 8 + int.from_bytes(self._input[4:8], "little")
            if len(self._input) >= end:
                body = self._input[8:end]
                self._output = zlib.decompress(body) if self._input[:1] == b"\x28" else b""
                self.unused_data = self._input[end:]
        if self._output is None:
            return b""
        out, self._output = self._output[:max_length], self._output[max_length:]
        self.eof = not self._output
        self.needs_input = False
        return out


def frame(data: bytes) -> bytes:
    body = zlib.compress(data)
    return b"\x28\xb5\x2f\xfd" + len(body).to_bytes(4, "little") + body


def skippable(data: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


@pytest.fixture
def zstd(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(name: str) -> None:
        for known in ("compression", "compression.zstd", "backports", "backports.zstd", "zstandard"):
            monkeypatch.setitem(sys.modules, known, None)
        if name:
            package = types.ModuleType(name.partition(".")[0])
            package.__path__ = []
            module = types.ModuleType(name)
            module.ZstdDecompressor = FramedDecoder  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, package.__name__, package)
            monkeypatch.setitem(sys.modules, name, module)

    return install


@pytest.mark.parametrize("library", ["compression.zstd", "backports.zstd"])
def test_zstd_frames_and_skippable_frames(zstd: Callable[[str], None], library: str) -> None:
    zstd(library)
    blob = skippable(b"head") + frame(TAR[:1000]) + skippable(b"\0\0") + frame(TAR[1000:]) + skippable(b"index")
    names, skipped, summary = read(blob)
    assert (names, skipped, summary.skipped) == ([b"etc/passwd", b"b"], [], ())
    assert (summary.compression, summary.diff_id, summary.digest) == ("zstd", digest(TAR), digest(blob))


def test_zstd_without_a_library_names_the_package(zstd: Callable[[str], None]) -> None:
    zstd("")
    _, skipped, summary = read(frame(TAR))
    assert "backports.zstd" in (*skipped, *summary.skipped)[0].reason


@pytest.mark.parametrize(
    ("head", "name"),
    [
        pytest.param(b"\x1f\x8b\x08\0\0\0", "gzip", id="gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd\0\0", "zstd", id="zstd"),
        pytest.param(b"\x50\x2a\x4d\x18\0\0", "zstd", id="zstd-skippable"),
        pytest.param(b"\x5f\x2a\x4d\x18\0\0", "zstd", id="zstd-skippable-last"),
        pytest.param(b"\x60\x2a\x4d\x18\0\0", None, id="not-skippable"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\x1f", None, id="one-byte"),
    ],
)
def test_formats_are_told_by_their_first_bytes(head: bytes, name: str | None) -> None:
    found = sniff(head)
    assert (found.name if found else None) == name


@given(st.binary(max_size=400), st.sampled_from(["", "gzip", "bzip2", "xz"]))
def test_random_blobs_never_raise(noise: bytes, magic: str) -> None:
    heads = {"gzip": gzip.compress(TAR[:600])[:60], "bzip2": b"BZh9", "xz": b"\xfd7zXZ\0"}
    _, skipped, summary = read(heads.get(magic, b"") + noise)
    assert all(note.where == "layer 1" for note in (*skipped, *summary.skipped))


def test_every_codec_has_its_own_name() -> None:
    assert len({codec.name for codec in CODECS}) == len(CODECS)
