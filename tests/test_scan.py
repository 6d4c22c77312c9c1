"""One pass over an image: where the source gives up in the middle, and where what was kept is of no use."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st
from imagemaker import Blobs, Made, dump, gzipped, index_json, oci, plain, sha, small_layer
from keymaker import pair
from secretmaker import token_of
from tarmaker import archive, hardlink, header, member

from imgscan.detect.secrets.findings import secret_findings
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.errors import InputError
from imgscan.layerresult import KeptLayer
from imgscan.layers.blocks import Blocks, BlockStore, CacheDamagedError
from imgscan.model import Digest, NotRead, Skipped, Status
from imgscan.progress import Progress, silent
from imgscan.scan import ImageScan, Means, locate_hits, scan_image
from imgscan.source import open_image
from imgscan.source.config import parse_config
from imgscan.source.records import Image, Layer, LayerBlob, StoreError
from imgscan.store.searchedfiles import SearchedFiles

IMAGE = Made(
    layers=(
        small_layer(b"token", f"{token_of('a')}\n".encode()),
        archive(member(b"app", b"x" * 700), header(b"etc/.wh.token")),
    )
)


TOLD = token_of("became").encode()
PATHS = (b"src/a.ts", b"docs/a.md", b"test/a.env", b"etc/app.yml", b"root/.ssh/authorized_keys")
_SETTING = b"DB_" + b"PASSWORD=" + b"tr0ub4dor" + b"-9xQ\n"
CONTENTS = (
    b"const token = request.token;\n",
    _SETTING,
    f"key: {token_of('kept')}\n".encode(),
    pair("ed25519").login,
    gzip.compress(_SETTING),
    b"words\n",
)


@pytest.fixture(scope="module")
def scanner() -> SecretScanner:
    return load_scanner()


@pytest.fixture(scope="module")
def kept_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class BrokenStream:
    """The beginning of a layer, then what a store says that has changed."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        data = self._data.read(size)
        if not data:
            raise StoreError("a file of the store is shorter than recorded")
        return data


@dataclass
class FakeReader:
    """An image in memory; the layer `breaks_at` cannot be read from the store."""

    made: Made = IMAGE
    breaks_at: int | None = None
    vouched: bool = True
    digests: Mapping[str, Digest] = field(default_factory=dict)
    ref: str = "app:1"
    kind: str = "image"
    is_known: bool = True
    given: list[str] = field(default_factory=list)
    left: int = 0

    def blobs(self) -> Iterator[LayerBlob]:
        for index, tar in enumerate(self.made.layers):
            name = f"sha256:{sha(tar)}"
            self.given.append(name)
            stream = BrokenStream(tar[:700]) if index == self.breaks_at else io.BytesIO(tar)
            yield LayerBlob(name=name, stream=stream, vouched=self.vouched, digest=self.digests.get(name))

    def image(self) -> Image:
        diff_ids = [Digest(f"sha256:{sha(tar)}") for tar in self.made.layers]
        return Image(
            ref=self.ref,
            image_id="",
            platform=None,
            config=parse_config(json.loads(self.made.config)),
            raw_config=self.made.config,
            layers=tuple(
                Layer(index=index, diff_id=diff_id, digest=None, blob=diff_id, media_type="", created_by=None)
                for index, diff_id in enumerate(diff_ids)
            ),
        )

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        return ()

    def skipped(self) -> tuple[Skipped, ...]:
        return ()

    def close(self) -> None:
        """Nothing is open."""


class StoreReader(FakeReader):
    """One that can be had from the engine as well."""

    def leave_store(self) -> None:
        self.left += 1
        self.breaks_at = None


@dataclass
class FakeResults:
    """Results in memory; `lose_blocks`: what was kept of them turns out to be gone when it is needed."""

    kept: dict[str, tuple[KeptLayer, Blocks]] = field(default_factory=dict)
    lose_blocks: bool = False
    found: list[str] = field(default_factory=list)
    proven: set[tuple[str, str]] = field(default_factory=set)

    def is_proven(self, diff_id: str, digest: str) -> bool:
        return (diff_id, digest) in self.proven

    def prove(self, diff_id: str, digest: str) -> None:
        self.proven.add((diff_id, digest))

    def find(self, diff_id: str) -> tuple[KeptLayer, BlockStore] | None:
        if diff_id not in self.kept:
            return None
        self.found.append(diff_id)
        kept, items = self.kept[diff_id]
        return kept, _Store(items, lost=self.lose_blocks)

    def keep(self, diff_id: str, kept: KeptLayer, items: Blocks) -> None:
        self.kept[diff_id] = (kept, items)


class _Store:
    def __init__(self, items: Blocks, *, lost: bool) -> None:
        self._items = items
        self._lost = lost

    def read(self, number: int) -> bytes:
        if self._lost:
            raise CacheDamagedError("a block of a kept layer is gone")
        return self._items.raw(number)


def scan(
    reader: FakeReader,
    scanner: SecretScanner,
    results: FakeResults | None = None,
    jobs: int = 1,
    searched: SearchedFiles | None = None,
) -> tuple[ImageScan, str]:
    said = io.StringIO()
    progress = Progress(said, live=False, lines=True)
    means = Means(scanner=scanner, progress=progress, jobs=jobs, results=results, searched=searched)
    return scan_image(reader, means), said.getvalue()


def facts(found: ImageScan) -> Mapping[str, object]:
    """What a report is made of."""
    return {
        "hits": [(item.path, item.hit.rule.id, item.hit.identity) for layer in found.layers for item in layer.hits],
        "waste": found.stacked.waste,
        "sizes": found.stacked.layer_bytes,
        "dive": found.dive,
        "skipped": found.skipped,
        "coverage": found.coverage,
        "visible": [(layer, entry.path) for layer, entry in found.stacked.visible()],
    }


@pytest.mark.parametrize("breaks_at", [0, 1])
def test_a_store_that_gives_up_in_the_middle(breaks_at: int, scanner: SecretScanner) -> None:
    expected, _ = scan(FakeReader(), scanner)
    reader = StoreReader(breaks_at=breaks_at)
    found, said = scan(reader, scanner)
    assert facts(found) == facts(expected)
    assert reader.left == 1
    assert len(reader.given) == breaks_at + 1 + len(IMAGE.layers), "all of it is read again"
    assert "the engine's store cannot be read (a file of the store is shorter than recorded)" in said


def test_nothing_of_a_broken_pass_is_kept_wrongly(scanner: SecretScanner) -> None:
    results = FakeResults()
    scan(StoreReader(breaks_at=1), scanner, results)
    assert list(results.kept) == [f"sha256:{sha(IMAGE.layers[0])}"], "the layer that was read whole"


def test_a_source_that_cannot_be_had_elsewhere(scanner: SecretScanner) -> None:
    with pytest.raises(InputError, match="app:1 changed while it was being read"):
        scan(FakeReader(breaks_at=1), scanner)


@pytest.mark.parametrize("vouched", [True, False])
def test_kept_layers_give_the_same(vouched: bool, scanner: SecretScanner) -> None:
    results = FakeResults()
    expected, _ = scan(FakeReader(vouched=vouched), scanner, results)
    assert sorted(results.kept) == sorted(f"sha256:{sha(tar)}" for tar in IMAGE.layers)
    found, _ = scan(FakeReader(vouched=vouched), scanner, results)
    assert len(results.found) == len(IMAGE.layers)
    assert facts(found) == facts(expected)


@dataclass
class LyingReader(FakeReader):
    """A registry: what it hands out is what the digests say, but of one blob the image says that it is another layer."""

    vouched: bool = False
    lie: bytes = b""
    reads: list[int] = field(default_factory=list)

    def blobs(self) -> Iterator[LayerBlob]:
        for tar in self.made.layers:
            data = gzip.compress(self.lie or tar, mtime=0)
            stream = io.BytesIO(data)
            yield LayerBlob(name=f"sha256:{sha(tar)}", stream=stream, digest=Digest(f"sha256:{sha(data)}"))
            self.reads.append(stream.tell())


def test_a_registry_does_not_vouch_for_what_a_blob_unpacks_to(scanner: SecretScanner) -> None:
    results = FakeResults()
    secret = small_layer(b"token", f"{token_of('a')}\n".encode())
    honest = Made(layers=(small_layer(b"harmless", b"x" * 100),))
    expected, _ = scan(LyingReader(honest, lie=secret), scanner)
    scan(LyingReader(honest), scanner, results)
    found, _ = scan(LyingReader(honest, lie=secret), scanner, results)
    assert facts(found) == facts(expected)
    assert [note.reason[:60] for note in found.skipped] == [
        "the layer's content is not what its diffID sha256:" + sha(honest.layers[0])[:10]
    ]


@pytest.mark.parametrize("first", [LyingReader, FakeReader], ids=["the-same-blob", "another-form"])
def test_a_blob_is_read_once_to_see_what_it_is(first: Callable[..., FakeReader], scanner: SecretScanner) -> None:
    results = FakeResults()
    honest = Made(layers=(small_layer(b"harmless", b"x" * 100),))
    scan(first(honest), scanner, results)
    readers = [LyingReader(honest), LyingReader(honest)]
    for reader in readers:
        assert not scan(reader, scanner, results)[0].skipped
    assert [any(reader.reads) for reader in readers] == [first is FakeReader, False]


@given(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(CONTENTS)), max_size=8), st.integers(0, 2))
@settings(max_examples=60)
def test_files_that_gave_nothing_before_change_nothing(
    kept_files: Path, scanner: SecretScanner, files: list[tuple[bytes, bytes]], edited: int
) -> None:
    """Whatever was scanned before: the same content elsewhere, other content at the same place."""
    tar = archive(*(member(path, data) for path, data in dict(files).items()))
    again = archive(*(member(path, data) for path, data in {**dict(files), PATHS[edited]: CONTENTS[edited]}.items()))
    with closing(SearchedFiles(kept_files, scanner.version)) as searched:
        for layers in ((tar,), (again,), (tar, again)):
            expected, _ = scan(FakeReader(Made(layers=layers)), scanner)
            found, _ = scan(FakeReader(Made(layers=layers)), scanner, searched=searched)
            assert facts(found) == facts(expected)
            assert [layer.gleanings for layer in found.layers] == [layer.gleanings for layer in expected.layers]


def test_blocks_that_are_lost(scanner: SecretScanner) -> None:
    """Everything that reads them does so where all layers can still be read instead."""
    clean = Made(layers=(small_layer(b"x", b"1"), small_layer(b"x", b"2")))
    results = FakeResults()
    expected, _ = scan(FakeReader(clean), scanner, results)
    results.lose_blocks = True
    found, said = scan(FakeReader(clean), scanner, results)
    assert facts(found) == facts(expected)
    assert "reading all layers" in said


def test_results_of_unknown_images_are_not_looked_for(scanner: SecretScanner) -> None:
    """Of an export nothing is known before its blobs are read; what was read can be kept all the same."""
    results = FakeResults()
    scan(FakeReader(is_known=False), scanner, results)
    assert len(results.kept) == len(IMAGE.layers)
    scan(FakeReader(is_known=False), scanner, results)
    assert results.found == []


def test_a_layer_of_which_something_was_skipped_is_not_kept(scanner: SecretScanner) -> None:
    results = FakeResults()
    scan(FakeReader(Made(layers=(IMAGE.layers[0], b"\1" * 2000))), scanner, results)
    assert list(results.kept) == [f"sha256:{sha(IMAGE.layers[0])}"]


def test_facts_that_were_kept_are_not_changed_by_what_hides_them(scanner: SecretScanner) -> None:
    layer = archive(member(b"root/.cache/pip/http/x", b"x" * 100))
    removing = archive(header(b"root/.wh..cache"))
    found, _ = scan(FakeReader(Made(layers=(layer, removing, layer))), scanner)
    rows = [[group.files for group in one.groups.by_row.values()] for one in found.facts]
    assert rows == [[0], [], [1]], "one and the same layer, hidden in one place only"


def from_archive(path: Path, data: bytes, scanner: SecretScanner, results: FakeResults | None = None) -> ImageScan:
    path.write_bytes(data)
    with closing(open_image(str(path))) as reader:
        return scan_image(reader, Means(scanner=scanner, progress=silent(), jobs=1, results=results))


PLAIN = Made(layers=(small_layer(b"one", b"1" * 900), small_layer(b"two", b"2" * 700)))


@pytest.mark.parametrize("compress", [gzipped, plain, zstd.compress], ids=["gzip", "plain", "zstd"])
def test_a_kept_layer_is_known_however_it_is_compressed(
    tmp_path: Path, scanner: SecretScanner, compress: Callable[[bytes], bytes]
) -> None:
    results = FakeResults()
    from_archive(tmp_path / "first.tar", oci(PLAIN, compress=plain), scanner, results)
    kept = dict(results.kept)
    again = from_archive(tmp_path / "second.tar", oci(PLAIN, compress=compress), scanner, results)
    assert (again.skipped, again.stacked.size_bytes, results.kept) == ((), 1600, kept)
    assert len(results.found) == 2, "each layer was found, and none read for it"


def test_what_is_hidden_behind_a_kept_layer_is_told(tmp_path: Path, scanner: SecretScanner) -> None:
    results = FakeResults()
    from_archive(tmp_path / "first.tar", oci(PLAIN, compress=gzipped), scanner, results)
    hiding = oci(PLAIN, compress=lambda data: gzipped(data) + b"behind")
    assert any(
        "hidden" in note.reason for note in from_archive(tmp_path / "second.tar", hiding, scanner, results).skipped
    )


def test_a_layer_in_two_compressions_is_counted_once(tmp_path: Path, scanner: SecretScanner) -> None:
    twice = Made(layers=(PLAIN.layers[0], PLAIN.layers[0]))
    ways = itertools.cycle([gzipped, plain])
    found = from_archive(tmp_path / "twice.tar", oci(twice, compress=lambda data: next(ways)(data)), scanner)
    assert len({layer.blob for layer in found.image.layers}) == 2
    assert (found.coverage.bytes, found.coverage.entries) == (900, 2)


def test_a_layer_that_lies_elsewhere_is_told_once(tmp_path: Path, scanner: SecretScanner) -> None:
    blobs = Blobs()
    made = Made(layers=(PLAIN.layers[0], PLAIN.layers[0]))
    far = {"digest": f"sha256:{'1' * 64}", "size": 1_234_567, "urls": ["https://example.invalid/base"]}
    manifest = {"config": blobs.add(made.config, "c"), "layers": [far, blobs.add(PLAIN.layers[0], "")]}
    data = archive(index_json(blobs.add(dump(manifest), "m")), blobs.members())
    found = from_archive(tmp_path / "far.tar", data, scanner)
    reason = "it is distributed by URL and not read from there"
    assert [(note.where, note.reason) for note in found.skipped] == [("layer 0", f"{reason} (1,234,567 bytes)")]
    assert found.coverage.not_read == (NotRead(where="layer 0", bytes=1_234_567, reason=reason),)
    assert (found.coverage.bytes, found.coverage.entries) == (900, 2), (
        "the other one, although it claims to be the same"
    )


def test_layers_are_counted_by_what_they_are(tmp_path: Path, scanner: SecretScanner) -> None:
    """Both claim to be the first."""
    claimed = Made(layers=(PLAIN.layers[0], PLAIN.layers[0]))
    ways = itertools.cycle([PLAIN.layers[0], PLAIN.layers[1]])
    found = from_archive(tmp_path / "two.tar", oci(claimed, compress=lambda _: next(ways)), scanner)
    assert [note.where for note in found.skipped] == ["layer 1"]
    assert (found.coverage.bytes, found.coverage.entries) == (1600, 4)


@pytest.mark.parametrize("clean", [False, True], ids=["a-secret", "words"])
def test_what_a_kept_layer_s_blob_carries_besides_is_searched(
    clean: bool, tmp_path: Path, scanner: SecretScanner
) -> None:
    """It is not in the layer, and not in what is kept of it: another blob of the same layer may carry a secret."""
    results = FakeResults()
    text = b"words" if clean else token_of("aside").encode()
    from_archive(tmp_path / "first.tar", oci(PLAIN, compress=plain), scanner, results)
    carrying = oci(
        PLAIN,
        compress=lambda data: gzipped(data)[:3] + b"\x10" + gzipped(data)[4:10] + text + b"\0" + gzipped(data)[10:],
    )
    secrets = [] if clean else [text, text]
    for _ in range(2):
        found = from_archive(tmp_path / "second.tar", carrying, scanner, results)
        assert [hit.hit.secret for layer in found.layers for hit in layer.hits] == secrets
    plainly = from_archive(tmp_path / "third.tar", oci(PLAIN, compress=plain), scanner, results)
    assert not any(layer.hits for layer in plainly.layers)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        pytest.param(
            [[member(b"a", TOLD), hardlink(b"b", b"a")], [header(b".wh.a")]],
            [("/a", Status.VISIBLE, "the same file is still there as /b")],
            id="still-there-by-a-link",
        ),
        pytest.param(
            [[member(b"a", TOLD)], [header(b".wh.a")]], [("/a", Status.DELETED, "deleted by layer 1")], id="deleted"
        ),
        pytest.param(
            [[member(b"d/.wh.x", TOLD), member(b"e/.wh..wh..opq", TOLD)]],
            [
                ("/d/.wh.x", Status.DELETED, "takes the file for a whiteout"),
                ("/e/.wh..wh..opq", Status.DELETED, "takes the file for a whiteout"),
            ],
            id="in-whiteouts",
        ),
    ],
)
def test_what_became_of_a_secret(
    layers: list[list[bytes]], told: list[tuple[str, Status, str]], scanner: SecretScanner, tmp_path: Path
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(oci(Made(layers=tuple(archive(*parts) for parts in layers))))
    with closing(open_image(str(path))) as reader:
        found = scan_image(reader, Means(scanner=scanner, progress=silent(), jobs=1))
    places = [(item.location.path, item.location.status) for item in locate_hits(found, ())]
    assert places == [(where, status) for where, status, _ in told]
    (finding,) = secret_findings(locate_hits(found, ()))
    assert told[0][2] in finding.message
    assert TOLD.decode() not in finding.message
