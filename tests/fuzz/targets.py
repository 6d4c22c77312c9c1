"""What is fuzzed: functions of hostile bytes that return if all is well and raise if something is not.

Each holds more than "no crash": what is read does not depend on how it is read, sizes stay within their bounds, and
nothing comes out of the project's own errors but `ImgscanError`.
"""

from __future__ import annotations

import bz2
import functools
import hashlib
import io
import itertools
import lzma
import random
import tempfile
import unicodedata
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol, cast

import msgspec

from imgscan.assess import Gate, image_findings, image_report, make_report
from imgscan.detect.secrets.documents import image_documents
from imgscan.detect.secrets.findings import secret_findings
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.dockerfile.ignore import is_ignored, parse_ignore
from imgscan.dockerfile.parse import base_image, parse
from imgscan.errors import ImgscanError
from imgscan.escape import plain
from imgscan.layers.attribution import attribute
from imgscan.layers.blob import BlobSummary, Limits, open_layer
from imgscan.layers.codec import sniff
from imgscan.layers.created_by import KEYWORDS, read_created_by
from imgscan.layers.digests import algorithm_of
from imgscan.layers.tar import Entry, TarEntry, clean_path, read_entries
from imgscan.layers.tarwindow import HOLE_RATIO, ByteStream
from imgscan.model import EntryKind, Skipped, Target
from imgscan.progress import silent
from imgscan.report import REPORTERS, render
from imgscan.scan import ImageScan, Means, locate_hits, scan_image
from imgscan.source.archive import IndexedReader, OnePassReader, open_archive
from imgscan.source.choice import Asked
from imgscan.source.indexed import Indexed, TarMembers
from imgscan.source.members import clean_name
from imgscan.source.records import ImageReader
from imgscan.source.select import select_image

LIMITS: Final = Limits(max_bytes=4 << 20, free_bytes=1 << 18, max_ratio=100)
MOST_READ_AHEAD: Final = 1 << 19


class Piecemeal:
    """A stream that cannot seek and gives pieces of random sizes, the same for the same data."""

    def __init__(self, data: bytes, most: int = 3000) -> None:
        self._file = io.BytesIO(data)
        self._random = random.Random(zlib.crc32(data))
        self._most = most

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._random.randint(1, self._most)))


class Content(NamedTuple):
    """An entry with what was read of it."""

    entry: Entry
    read_bytes: int
    digest: str


def tar(data: bytes) -> None:
    """A tar archive: the same entries, contents and end however it is read, and no more bytes than there are."""
    whole, end = _listed(io.BytesIO(data), lambda: 1 << 20)
    sizes = random.Random(len(data))
    assert (whole, end) == _listed(Piecemeal(data), lambda: sizes.randint(1, 5000))
    assert (whole, end) == _listed(open_layer(Piecemeal(data), verify=False), lambda: 700) or sniff(data[:6])
    entries, unread_end = _unread(io.BytesIO(data))
    assert ([content.entry for content in whole], end) == (entries, unread_end)
    assert sum(content.read_bytes for content in whole if not content.entry.sparse) <= len(data)
    assert sum(content.read_bytes for content in whole) <= (2 + HOLE_RATIO) * len(data)
    for number, (entry, read_bytes, _) in enumerate(whole):
        assert clean_path(entry.path) == entry.path
        assert not entry.path.startswith(b"/")
        assert b".." not in entry.path.split(b"/")
        assert entry.size_bytes >= 0
        assert (entry.kind is EntryKind.FILE) or not entry.size_bytes or entry.kind is EntryKind.DIRECTORY
        cut = number == len(whole) - 1 and end is not None
        assert cut or entry.sparse or read_bytes == entry.size_bytes


def _listed(stream: ByteStream, size: Callable[[], int]) -> tuple[list[Content], str | None]:
    found: list[Content] = []
    for item in read_entries(stream):
        if isinstance(item, Skipped):
            return found, item.reason
        hashed, done = hashlib.sha256(), 0
        while piece := item.read(size()):
            hashed.update(piece)
            done += len(piece)
        found.append(Content(item.entry, done, hashed.hexdigest()))
    return found, None


def _unread(stream: ByteStream) -> tuple[list[Entry], str | None]:
    found: list[Entry] = []
    for item in read_entries(stream):
        if isinstance(item, Skipped):
            return found, item.reason
        found.append(item.entry)
    return found, None


def blob(data: bytes) -> None:
    """A layer blob: the same summary however it is read, within its limits, with the digests of what it holds."""
    entries, summary = _drained(io.BytesIO(data))
    again, same = _drained(Piecemeal(data))
    assert max(summary.tar_bytes, same.tar_bytes) <= LIMITS.max_bytes + MOST_READ_AHEAD
    assert summary.stored_bytes == same.stored_bytes == len(data)
    assert summary.hidden_bytes <= summary.trailing_bytes
    if summary.digest is None or same.digest is None:
        # How far a damaged blob can be read depends on where the library notices, and the ratio is of what was read.
        for told, found in ((entries, summary), (again, same)):
            assert found.digest is not None or found.skipped or "what follows" in told[-1]
        return
    assert (entries, summary) == (again, same)
    expected, rest = _unpacked(data)
    assert (summary.digest, summary.diff_id) == (_sha256(data), _sha256(expected))
    assert summary.tar_bytes == len(expected)
    assert summary.trailing_bytes <= len(expected) + len(rest)


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _drained(stream: ByteStream) -> tuple[list[str], BlobSummary]:
    opened = open_layer(stream, limits=LIMITS)
    told = []
    for item in read_entries(opened):
        if isinstance(item, TarEntry):
            told.append(f"{item.entry.path!r} {item.entry.size_bytes}")
            item.read(1000)
        else:
            told.append(item.reason)
    return told, opened.finish()


def _unpacked(data: bytes) -> tuple[bytes, bytes]:
    """What the data unpacks to and what follows it, by the libraries themselves, all at once."""
    codec = sniff(data[:6])
    if codec is None:
        return data, b""
    unpacked = b""
    while codec.starts(data[:6]):
        if codec.name == "gzip":
            # ISA-L takes a member with reserved flags as Go does, zlib does not: they mean nothing.
            data = data[:3] + bytes([data[3] & 0x1F]) + data[4:]
        frame = _whole_frame(codec.name)
        unpacked += frame.decompress(data)
        data = frame.unused_data
    return unpacked, data


class _Frame(Protocol):
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _whole_frame(codec: str) -> _Frame:
    if codec == "gzip":
        return zlib.decompressobj(wbits=31)
    if codec == "bzip2":
        return bz2.BZ2Decompressor()
    if codec == "xz":
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
    from backports import zstd

    return zstd.ZstdDecompressor()


@functools.cache
def _scanner() -> SecretScanner:
    return SecretScanner([own_pack()], backend="re2")


def nested(data: bytes) -> None:
    """A file that may be an archive: the same secrets and notes however it is read, all of it read, nothing raised."""
    found = []
    for stream in (io.BytesIO(data), Piecemeal(data)):
        notes: list[str] = []
        hits = _scanner().scan(stream.read, path="app/x", size=len(data), note=notes.append)
        assert not stream.read(1)
        assert len(notes) == len(set(notes))
        found.append((hits, sorted(notes)))
    assert found[0] == found[1]
    assert all(hit.offset >= 0 and hit.line >= 1 for hit in found[0][0])


def archive(data: bytes) -> None:
    """An image archive: read from a file, by its index and in one pass it is the same image, or none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(data)
        scans = [scanned(lambda: open_archive(path)), scanned(lambda: indexed(data)), scanned(lambda: one_pass(data))]
    found = [scan for scan in scans if scan is not None]
    assert (scans[0] is None) == (scans[1 if sniff(data[:6]) is None else 2] is None)
    for pair in itertools.pairwise(found):
        others = set().union(*map(_of_other_algorithms, pair))
        one, other = (_without_digests(scan, others) for scan in pair)
        assert replace(one.image, ref="") == replace(other.image, ref="")
        assert [layer.listing for layer in one.layers] == [layer.listing for layer in other.layers]
        assert [layer.hits for layer in one.layers] == [layer.hits for layer in other.layers]
        assert one.skipped == other.skipped
        assert one.document_hits == other.document_hits
        msgspec.json.encode(one.skipped)


def _of_other_algorithms(scan: ImageScan) -> set[int]:
    """The layers of blobs for which another algorithm than SHA-256 is stated or was taken: in one pass the
    configuration may come last, and what was computed by then is told as not checked."""
    taken: dict[str, set[str]] = {}
    for layer, found in zip(scan.image.layers, scan.layers, strict=True):
        digests = (layer.diff_id, layer.digest, found.listing.diff_id, found.listing.digest)
        taken.setdefault(layer.blob, set()).update(algorithm_of(digest) for digest in digests)
    return {layer.index for layer in scan.image.layers if taken[layer.blob] != {"sha256"}}


def _without_digests(scan: ImageScan, of: set[int]) -> ImageScan:
    """The scan without the digests of these layers, and without what is told of them."""
    layers = list(scan.layers)
    for index in of:
        layers[index] = replace(
            layers[index], listing=msgspec.structs.replace(layers[index].listing, diff_id=None, digest=None)
        )
    where = {f"layer {index}" for index in of}
    skipped = tuple(note for note in scan.skipped if note.where not in where or "content is" not in note.reason)
    return replace(scan, layers=tuple(layers), skipped=skipped)


Open = Callable[[bytes], ImageReader]


def indexed(data: bytes) -> ImageReader:
    """An archive that is read by its index."""
    return IndexedReader(Indexed(TarMembers(io.BytesIO(data), "a"), Asked(ref="a")), ref="a", kind="archive")


def one_pass(data: bytes) -> ImageReader:
    """The same from front to back."""
    return OnePassReader(cast("BinaryIO", Piecemeal(data, 60_000)), Asked(ref="a"), owns_file=False)


def scanned(reader: Callable[[], ImageReader]) -> ImageScan | None:
    """An image as scanned, None if it is refused."""
    try:
        with closing(reader()) as opened:
            return scan_image(opened, Means(scanner=_scanner(), progress=silent(), jobs=1))
    except ImgscanError:
        return None


def report(data: bytes) -> None:
    """An image archive to the end: figures that add up, and text that no name in it can break."""
    found = scanned(lambda: one_pass(data))
    if found is None:
        return
    attributed = attribute(found.image)
    image = image_report(found, attributed)
    assert image.size_bytes == sum(layer.size_bytes for layer in image.layers)
    assert image.reclaimable_bytes == sum(layer.reclaimable_bytes for layer in image.layers)
    assert 0 <= image.visible_bytes == image.size_bytes - image.reclaimable_bytes
    made = make_report(
        target=Target(kind="archive", ref="a", image_id=found.image.image_id, platform=found.image.platform),
        findings=(*secret_findings(locate_hits(found, attributed.layers)), *image_findings(found, image, None)),
        gate=Gate(fail_on=None),
        rule_packs=(),
        skipped=found.skipped,
        image=image,
        coverage=found.coverage,
    )
    for name in REPORTERS:
        text = render(made, name)
        assert not set(map(unicodedata.category, set(text) - {"\n"})) & {"Cc", "Cs", "Zl", "Zp"}, name
        text.encode()


@dataclass(frozen=True)
class DictDocuments:
    """The files of an archive as a dict."""

    files: dict[str, bytes]

    def read(self, name: str) -> bytes | None:
        return self.files.get(clean_name(name))

    def resolve(self, name: str) -> str | None:
        return clean_name(name) if clean_name(name) in self.files else None


PART: Final = b"\n---\n"


def documents(data: bytes) -> DictDocuments:
    """The parts of the data as manifest.json, index.json and blobs; `{{2}}` stands for the digest of part 2 in those
    before it, and an empty part for a file that is not there."""
    parts = data.split(PART)
    files: dict[str, bytes] = {}
    for number in range(len(parts) - 1, -1, -1):
        part = parts[number]
        for other in range(number + 1, min(len(parts), number + 12)):
            part = part.replace(b"{{%d}}" % other, hashlib.sha256(parts[other]).hexdigest().encode())
        parts[number] = part
        if part:
            name = ("manifest.json", "index.json")[number] if number < 2 else ""
            files[name or f"blobs/sha256/{hashlib.sha256(part).hexdigest()}"] = part
    return DictDocuments(files)


NOT_THERE: Final = ("not in the archive",)


def manifest(data: bytes) -> None:
    """Manifest, index and configuration: an image with all that is said of it in encodable text, or an error."""
    files = documents(data)
    try:
        found = select_image(files, Asked(ref="a"))
    except ImgscanError as error:
        told = f"{error.what}{error.cause}{error.next_step}"
        assert plain(told) == told
        return
    msgspec.json.encode((found.image, found.skipped, found.documents))
    missing = sum(any(words in note.reason for words in NOT_THERE) for note in found.skipped)
    # Of what is distributed by URL the scan tells, layer by layer.
    here = [layer for layer in found.image.layers if layer.elsewhere_bytes is None]
    assert sum(files.resolve(layer.blob) is None for layer in here) <= missing
    assert _sha256(found.image.raw_config) == found.image.image_id
    assert found == select_image(files, Asked(ref="a"))
    for document in image_documents(found.image.config, found.documents):
        "".join(itertools.chain.from_iterable(document.assignments)).encode("utf-8", "surrogateescape")
    for entry in found.image.config.history:
        read_created_by(entry.created_by)


def created_by(data: bytes) -> None:
    """A history entry: an instruction whose text is no longer than what was there, by a known keyword."""
    text = data.decode("utf-8", "replace")
    made = read_created_by(text)
    assert made.keyword in KEYWORDS or made.keyword == ""
    assert len(made.text) <= len(text) + len("RUN ")
    assert made.text.startswith(made.keyword)
    assert all(word in text for word in made.words)


def dockerfile(data: bytes) -> None:
    """A Dockerfile: refused, or commands that lie where they say they do."""
    try:
        found = parse(data)
    except ImgscanError:
        return
    for stage in found.stages:
        for command in stage.commands:
            assert 0 <= command.start <= command.end <= len(found.text)
        with suppress(ImgscanError):
            base_image(found, stage, {})


def ignore(data: bytes) -> None:
    """An ignore file and a path: refused, or an answer."""
    path, _, text = data.partition(b"\n")
    try:
        rules = parse_ignore(text.decode("utf-8", "surrogateescape"))
    except ImgscanError:
        return
    is_ignored(rules, path.decode("utf-8", "replace") or "a")


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "tar": tar,
    "blob": blob,
    "nested": nested,
    "archive": archive,
    "report": report,
    "manifest": manifest,
    "created_by": created_by,
    "dockerfile": dockerfile,
    "ignore": ignore,
}
