"""Results of layers in a file: whatever happens to it, what comes out is what went in or nothing, and it mends."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from listings import listed, listing_of

from imgscan.detect.layerfacts import LayerFacts
from imgscan.gleanings import LayerGleanings
from imgscan.layerresult import KeptLayer
from imgscan.layers.blocks import Blocks, CacheDamagedError
from imgscan.layers.listing import LayerListing
from imgscan.model import Digest
from imgscan.store.layercache import LayerCache

FILE = "layers.sqlite3"


def layer(name: str, entries: int = 20) -> tuple[KeptLayer, LayerListing]:
    """A layer whose blocks are not compressed to nothing."""
    source = random.Random(name)
    paths = sorted(source.randbytes(20).hex().encode() for _ in range(entries))
    listing = listing_of([listed(path, size=len(path)) for path in paths], [b"gone"], [])
    kept = KeptLayer(
        diff_id=Digest(f"sha256:{name}"),
        size_bytes=listing.size_bytes,
        entries=listing.entries,
        index=listing.items.index,
        whiteouts=listing.whiteouts,
        opaques=(),
        links=(),
        clashes=False,
        contents=listing.contents,
        directories=listing.directories,
        facts=LayerFacts(),
        gleanings=LayerGleanings(),
        hits=(),
        places=(),
        again=((b".env", 7),),
        read_bytes=3,
    )
    return kept, listing


LAYERS = {name: layer(name) for name in ("one", "two", "three")}


def keep(cache: LayerCache, *names: str) -> None:
    for name in names:
        kept, listing = LAYERS[name]
        cache.keep(name, kept, listing.items)


def holds(cache: LayerCache, name: str) -> bool:
    """Whether a layer is found whole; a part of it or something else never is."""
    found = cache.find(name)
    if found is None:
        return False
    kept, store = found
    assert kept == LAYERS[name][0]
    try:
        return list(Blocks(kept.index, store)) == list(LAYERS[name][1].items)
    except CacheDamagedError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def opened(folder: Path, version: str = "1", **options: object) -> closing[LayerCache]:
    return closing(LayerCache(folder, version, **options))  # type: ignore[arg-type]


def test_what_was_kept_is_found_by_the_next_process(folder: Path) -> None:
    with opened(folder) as cache:
        assert not holds(cache, "one")
        keep(cache, "one", "two")
        assert holds(cache, "one")
    with opened(folder) as cache:
        assert [holds(cache, name) for name in LAYERS] == [True, True, False]
        cache.forget("one")
        assert [holds(cache, name) for name in LAYERS] == [False, True, False]
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_was_proven_goes_with_the_result(folder: Path) -> None:
    with closing(LayerCache(folder, "1")) as cache:
        keep(cache, "one", "two")
        cache.prove("one", "sha256:a")
        cache.prove("one", "sha256:a")
    with closing(LayerCache(folder, "1")) as cache:
        asked = [("one", "sha256:a"), ("one", "sha256:b"), ("two", "sha256:a"), ("three", "sha256:a")]
        assert [cache.is_proven(*pair) for pair in asked] == [True, False, False, False]
        cache.forget("one")
        assert not cache.is_proven("one", "sha256:a")
    with closing(LayerCache(folder, "2")) as cache:
        assert not cache.is_proven("one", "sha256:a")


def test_results_of_other_rules_are_not_seen(folder: Path) -> None:
    with opened(folder, "1") as cache:
        keep(cache, "one")
    with opened(folder, "2") as cache:
        assert not holds(cache, "one")
        keep(cache, "one")
    with opened(folder, "1") as cache:
        assert holds(cache, "one")


def test_a_layer_that_is_kept_again_replaces_itself(folder: Path) -> None:
    with opened(folder) as cache:
        kept, listing = layer("long", 10_000)
        cache.keep("one", kept, listing.items)
        keep(cache, "one")
        assert holds(cache, "one")
        cache.keep("one", kept, listing.items)
        found = cache.find("one")
        assert found is not None
        assert list(Blocks(found[0].index, found[1])) == list(listing.items)


def test_after_close_there_is_nothing(folder: Path) -> None:
    with opened(folder) as cache:
        keep(cache, "one")
    cache.close()
    assert cache.find("one") is None
    keep(cache, "two")
    cache.forget("one")
    with pytest.raises(CacheDamagedError):
        cache.block("key", 0)


SIZED = {f"layer {number}": layer(f"layer {number}", 2000) for number in range(12)}
ONE_BYTES = 50_000


def test_what_was_not_used_for_longest_goes_first(folder: Path) -> None:
    """The bound holds for the file too, give or take its own pages."""
    now = [1_000_000.0]
    limit = 8 * ONE_BYTES
    for number, (name, (kept, listing)) in enumerate(SIZED.items()):
        now[0] += 10_000
        with opened(folder, limit_bytes=limit, clock=lambda: now[0]) as cache:
            assert number < 2 or cache.find("layer 0") is not None
            cache.keep(name, kept, listing.items)
    with opened(folder) as cache:
        left = [name for name in SIZED if cache.find(name) is not None]
    assert "layer 0" in left, "it was used all the time"
    assert left[1:] == list(SIZED)[-len(left) + 1 :], "and of the others the latest are left"
    assert 3 <= len(left) < len(SIZED)
    assert (folder / FILE).stat().st_size < 1.3 * limit


def test_a_layer_that_would_fill_the_cache_is_not_kept(folder: Path) -> None:
    kept, listing = SIZED["layer 0"]
    with opened(folder, limit_bytes=ONE_BYTES) as cache:
        keep(cache, "one")
        cache.keep("layer 0", kept, listing.items)
        assert cache.find("layer 0") is None
        assert holds(cache, "one")
    with closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("SELECT COUNT(DISTINCT key) FROM blocks").fetchone() == (1,)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def noise(data: bytes) -> bytes:
    return random.Random(1).randbytes(len(data))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "random": noise,
    "cut-off": cut,
    "cut-to-a-page": lambda data: data[:4096],
    "cut-to-a-header": lambda data: data[:100],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "another-file": lambda data: b"#!/bin/sh\n" * 1000,
    "zeros-behind-the-first-page": lambda data: data[:4096] + bytes(len(data) - 4096),
}


def damaged_and_mended(folder: Path) -> None:
    """Whatever lies there: no error, nothing wrong; what is kept then is found."""
    with opened(folder) as cache:
        for name in LAYERS:
            if not holds(cache, name):
                keep(cache, name)
    with opened(folder) as cache:
        for name in LAYERS:
            if not holds(cache, name):
                keep(cache, name)
    with opened(folder) as cache:
        assert [holds(cache, name) for name in LAYERS] == [True, True, True]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A cache file with all layers, its journal taken in."""
    folder = tmp_path_factory.mktemp("whole") / "cache"
    with opened(folder) as cache:
        keep(cache, *LAYERS)
    assert [path.name for path in folder.iterdir()] == [FILE]
    return (folder / FILE).read_bytes()


def put(folder: Path, data: bytes) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    (folder / FILE).write_bytes(data)
    (folder / FILE).chmod(0o600)


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_mends(change: Callable[[bytes], bytes], whole: bytes, folder: Path) -> None:
    put(folder, change(whole))
    damaged_and_mended(folder)


def offsets(data: bytes) -> list[int]:
    """All over the file, most of them in its header, its schema (at the end of the first page) and first rows."""
    everywhere = random.Random(2).sample(range(4096, len(data)), 40)
    return [3953, *range(0, 110, 3), *range(3500, 4096, 20), *everywhere]


def test_flipped_bytes_mend(whole: bytes, folder: Path) -> None:
    for number, offset in enumerate(offsets(whole)):
        data = bytearray(whole)
        data[offset] ^= 0x01 if number % 3 else 0xFF
        put(folder, bytes(data))
        try:
            damaged_and_mended(folder)
        except BaseException as error:
            error.add_note(f"offset {offset}")
            raise


def test_an_entry_of_the_schema_that_means_something_else(whole: bytes, folder: Path) -> None:
    put(folder, whole.replace(b"summary BLOB", b"summarY_BLOB"))
    damaged_and_mended(folder)


VALUES = [None, 7, 1.5, "text", b"", b"x" * 15, b"x" * 40, -1]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("column", ["layers.summary", "layers.bytes", "layers.used_at", "blocks.data"])
def test_values_of_any_kind(column: str, value: object, whole: bytes, folder: Path) -> None:
    """As a file has them that somebody wrote to, or whose bits fell over."""
    table, _, name = column.partition(".")
    put(folder, whole.replace(b"NOT NULL", b"        "))
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {name} = ?", (value,))
    with opened(folder, limit_bytes=20_000) as cache:
        found = [holds(cache, each) for each in LAYERS]
        assert found == [name in ("bytes", "used_at")] * 3
        keep(cache, *LAYERS)  # with so little room: what is there has to be summed up, and to go
        kept, listing = layer("big", 100)
        cache.keep("big", kept, listing.items)
    damaged_and_mended(folder)


def test_a_summary_that_is_none_although_its_check_fits(whole: bytes, folder: Path) -> None:
    import hashlib

    bad = msgspec.msgpack.encode({"diff_id": 7})
    put(folder, whole)
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        for (key,) in connection.execute("SELECT key FROM layers").fetchall():
            stored = hashlib.blake2b(key.encode() + bad, digest_size=16).digest() + bad
            connection.execute("UPDATE layers SET summary = ? WHERE key = ?", (stored, key))
    damaged_and_mended(folder)


@pytest.mark.parametrize(("table", "value"), [("layers", "summary"), ("blocks", "data")])
def test_what_was_kept_of_another_layer_is_damage(table: str, value: str, folder: Path) -> None:
    with opened(folder) as cache:
        keep(cache, "one", "two")
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {value} = (SELECT {value} FROM {table} ORDER BY key LIMIT 1)")
    with opened(folder) as cache:
        for name in ("one", "two"):
            found, (kept, listing) = cache.find(name), LAYERS[name]
            with suppress(CacheDamagedError):
                assert found is None or (found[0], Blocks(found[0].index, found[1])) == (kept, listing.items)


def test_a_block_that_is_gone_is_told_once(whole: bytes, folder: Path) -> None:
    put(folder, whole)
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute("DELETE FROM blocks")
    with opened(folder) as cache:
        found = cache.find("one")
        assert found is not None
        with pytest.raises(CacheDamagedError):
            found[1].read(0)
        assert cache.find("one") is None


def world_writable(path: Path) -> None:
    path.chmod(0o666)


def linked(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def in_a_folder_for_all(path: Path) -> None:
    path.parent.chmod(0o777)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    assert os.geteuid() == 0, "giving files away takes root"
    os.chown(path, 12345, 12345)


CHANGES = [world_writable, linked, in_a_folder_for_all, a_folder, *([foreign] if os.geteuid() == 0 else [])]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_not_to_be_trusted_is_not_used(change: Callable[[Path], None], whole: bytes, folder: Path) -> None:
    put(folder, whole)
    change(folder / FILE)
    with opened(folder) as cache:
        assert not holds(cache, "one")
        keep(cache, "one")
        assert not holds(cache, "one")
    if not (folder / FILE).is_dir():
        assert (folder / FILE).read_bytes() == whole


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with opened(tmp_path / "file" / "cache") as cache:
        keep(cache, "one")
        assert not holds(cache, "one")


def use_read_only(folder: Path) -> None:
    """As a user whom root's rights do not help."""
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    with opened(folder) as cache:
        assert [holds(cache, name) for name in LAYERS] in ([True, True, True], [False, False, False])
        keep(cache, "one")
        cache.forget("two")
        cache.find("one")
    assert [path.name for path in folder.iterdir() if path.name != FILE] == []


@pytest.mark.parametrize("mode", [0o600, 0o400], ids=["file-for-writing", "file-for-reading"])
def test_a_folder_for_reading_only(mode: int, whole: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name) / "cache"
        put(folder, whole)
        (folder / FILE).chmod(mode)
        if os.geteuid() == 0:
            for path in (folder.parent, folder, folder / FILE):
                os.chown(path, NOBODY, NOBODY)
        folder.chmod(0o500)
        process = multiprocessing.get_context("fork").Process(target=use_read_only, args=(folder,))
        process.start()
        process.join(120)
        folder.chmod(0o700)
        assert process.exitcode == 0
        assert (folder / FILE).read_bytes() == whole


NOBODY = 65534


def keep_many(folder: Path, start: int) -> None:
    with opened(folder, limit_bytes=1 << 30) as cache:
        for number in range(start, start + 30):
            kept, listing = layer(str(number), 200)
            cache.keep(str(number), kept, listing.items)
            cache.find(str(number - 7))


def test_two_processes_at_once(folder: Path) -> None:
    """From the making of the file on."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=keep_many, args=(folder, start)) for start in (0, 15)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    with opened(folder) as cache:
        assert all(cache.find(str(number)) is not None for number in range(45))


def test_a_file_in_use_is_left_alone(whole: bytes, folder: Path) -> None:
    """It is not damaged: a new one would take from the other process what it keeps."""
    put(folder, whole)
    with opened(folder) as cache, closing(sqlite3.connect(folder / FILE)) as other:
        cache._connection.execute("PRAGMA busy_timeout = 10")  # type: ignore[union-attr]
        other.execute("BEGIN IMMEDIATE")
        keep(cache, "one")
        other.rollback()
        assert not holds(cache, "one"), "for the rest of this run there is no cache"
    with opened(folder) as cache:
        assert [holds(cache, name) for name in LAYERS] == [True, True, True]
