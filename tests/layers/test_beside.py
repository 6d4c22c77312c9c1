"""What lies in a layer where no engine looks: it is searched, and told, but is no file of the layer."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from imagemaker import Made, oci, plain
from secretmaker import token_of
from tarmaker import archive, member

from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.layers.blob import open_layer
from imgscan.layers.codec import CODECS, CorruptDataError
from imgscan.layers.frames import Frames
from imgscan.layers.listing import list_layer
from imgscan.progress import silent
from imgscan.scan import Means, scan_image
from imgscan.source import open_image

TOKEN = token_of("beside").encode()
TAR = archive(member(b"a", b"1"))


@pytest.fixture(scope="module")
def scanner() -> SecretScanner:
    return load_scanner()


def member_of_gzip(data: bytes, extra: bytes = b"", name: bytes = b"", comment: bytes = b"") -> bytes:
    whole = gzip.compress(data, mtime=0)
    flags = 4 * bool(extra) | 8 * bool(name) | 16 * bool(comment)
    fields = len(extra).to_bytes(2, "little") + extra if extra else b""
    texts = b"".join(text + b"\0" for text in (name, comment) if text)
    return whole[:3] + bytes([flags]) + whole[4:10] + fields + texts + whole[10:]


def skippable(data: bytes, kind: int = 0x50) -> bytes:
    return bytes([kind]) + b"\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def packed(**more: object) -> bytes:
    """A layer as Python's tarfile writes it, with what it can say of its owners and in global headers."""
    data = io.BytesIO()
    headers = {"comment": str(more.pop("comment"))} if "comment" in more else None
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        info = tarfile.TarInfo("a")
        for name, value in more.items():
            setattr(info, name, value)
        tar.addfile(info)
    return data.getvalue()


SAME = plain
BESIDE = [
    pytest.param(TAR + archive(member(b"stargz.index.json", TOKEN)), SAME, id="estargz-index"),
    pytest.param(TAR + bytes(8192) + archive(member(b"stargz.index.json", TOKEN)), SAME, id="padded-estargz-index"),
    pytest.param(TAR, lambda tar: member_of_gzip(tar, comment=TOKEN), id="gzip-comment"),
    pytest.param(TAR, lambda tar: member_of_gzip(tar, name=TOKEN, extra=b"AB"), id="gzip-name"),
    pytest.param(TAR, lambda tar: member_of_gzip(tar, extra=b"AB\x40\0" + TOKEN), id="gzip-extra"),
    pytest.param(
        TAR, lambda tar: gzip.compress(tar[:99]) + member_of_gzip(tar[99:], comment=TOKEN), id="in-a-later-member"
    ),
    pytest.param(TAR, lambda tar: zstd.compress(tar) + skippable(TOKEN), id="skippable-frame"),
    pytest.param(TAR, lambda tar: skippable(gzip.compress(TOKEN), 0x5F) + zstd.compress(tar), id="packed-in-a-frame"),
    pytest.param(packed(comment=TOKEN.decode()), SAME, id="global-pax-comment"),
    pytest.param(packed(uname=TOKEN.decode()[:31] if len(TOKEN) <= 31 else TOKEN.decode()), SAME, id="owner"),
]


@pytest.mark.parametrize(("tar", "pack"), BESIDE)
def test_what_lies_beside_the_files_is_searched(
    tar: bytes, pack: Callable[[bytes], bytes], tmp_path: Path, scanner: SecretScanner
) -> None:
    (tmp_path / "image.tar").write_bytes(oci(Made(layers=(tar,)), compress=pack))
    reader = open_image(str(tmp_path / "image.tar"))
    try:
        found = scan_image(reader, Means(scanner=scanner, progress=silent(), jobs=1))
    finally:
        reader.close()
    assert [hit.hit.secret for layer in found.layers for hit in layer.hits] == [TOKEN]
    assert found.skipped == ()
    assert [entry.path for _, entry in found.stacked.visible()] == [b"a"]


def test_what_has_no_room_is_told() -> None:
    stream = open_layer(io.BytesIO(skippable(b"\1" * (17 << 20)) + zstd.compress(TAR)), where="layer 0")
    listing = list_layer(stream)
    assert ["were not searched" in note.reason for note in listing.skipped] == [True]


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    ("codec", "blob", "aside"),
    [
        pytest.param("gzip", member_of_gzip(TAR, b"ex", b"name", b"words"), [b"ex", b"name", b"words"], id="gzip"),
        pytest.param("zstd", skippable(b"one") + zstd.compress(TAR) + skippable(b"two"), [b"one", b"two"], id="zstd"),
    ],
)
def test_frames_come_in_pieces_of_any_size(codec: str, blob: bytes, aside: list[bytes], step: int) -> None:
    source = io.BytesIO(blob)
    frames = Frames(next(one for one in CODECS if one.name == codec), b"", lambda size: source.read(min(size, step)))
    assert b"".join(iter(lambda: frames.read(4096), b"")) == TAR
    assert frames.aside == aside


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_frames_that_are_cut_off_never_raise_anything_else(codec: str) -> None:
    blob = member_of_gzip(TAR, b"ex", b"name", b"c") if codec == "gzip" else skippable(b"one") + zstd.compress(TAR)
    for end in range(len(blob)):
        source = io.BytesIO(blob[:end])
        frames = Frames(next(one for one in CODECS if one.name == codec), b"", source.read)
        try:
            while frames.read(4096):
                pass
        except CorruptDataError:
            continue
        assert len(frames.garbage) == end or codec == "zstd"
