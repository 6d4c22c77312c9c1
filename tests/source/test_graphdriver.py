"""An engine's root folder with an image of a graph driver in it: found whole, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from imagemaker import Made, sha, small_layer
from tarmaker import archive, directory, member
from tarsplits import Store

from imgscan.source.graphdriver import StoredImage, chain_ids, find_stored_image
from imgscan.source.tarsplit import TarSplitStream

IMAGE = Made(layers=(small_layer(b"passwd", b"root"), archive(directory(b"app/"), member(b"app/x", b"y" * 700))))


def found(store: Store, record: dict[str, object]) -> StoredImage | None:
    diff_ids = record["RootFS"]["Layers"]  # type: ignore[index]
    return find_stored_image(store.root, store.driver, str(record["Id"]), diff_ids)


@pytest.mark.parametrize("driver", ["overlay2", "fuse-overlayfs", "btrfs", "vfs"])
def test_an_image_is_found(driver: str, tmp_path: Path) -> None:
    store = Store(tmp_path, driver)
    record = store.add(IMAGE)
    image = found(store, record)
    assert image is not None
    assert image.raw_config == IMAGE.config
    assert [layer.diff_id for layer in image.layers] == record["RootFS"]["Layers"]
    for layer, tar in zip(image.layers, IMAGE.layers, strict=True):
        with closing(TarSplitStream(layer.records, layer.root)) as stream:
            assert b"".join(iter(lambda stream=stream: stream.read(1 << 20), b"")) == tar  # type: ignore[misc]


def test_an_image_without_layers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = found(store, store.add(Made(layers=())))
    assert image is not None
    assert image.layers == ()


def no_config(store: Store) -> None:
    (store.images / sha(IMAGE.config)).unlink()


def other_config(store: Store) -> None:
    (store.images / sha(IMAGE.config)).write_bytes(IMAGE.config + b" ")


def large_config(store: Store) -> None:
    with (store.images / sha(IMAGE.config)).open("r+b") as file:
        file.truncate(20 << 20)


def no_layer(store: Store) -> None:
    folder = store.records_of(IMAGE, 1)
    folder.rename(folder.with_name("0" * 64))


def no_records(store: Store) -> None:
    (store.records_of(IMAGE, 1) / "tar-split.json.gz").unlink()


def no_files(store: Store) -> None:
    folder = store.files_of(IMAGE, 1)
    folder.rename(folder.with_name("moved"))


def other_diff(store: Store) -> None:
    (store.records_of(IMAGE, 1) / "diff").write_text("sha256:" + "0" * 64)


def cache_id(text: bytes) -> Callable[[Store], None]:
    def change(store: Store) -> None:
        (store.records_of(IMAGE, 1) / "cache-id").write_bytes(text)

    return change


CHANGES = {
    "no-configuration": no_config,
    "another-configuration": other_config,
    "an-endless-configuration": large_config,
    "no-layer": no_layer,
    "no-records": no_records,
    "no-files": no_files,
    "another-diff": other_diff,
    "cache-id-upwards": cache_id(b"../../../../etc"),
    "cache-id-absolute": cache_id(b"/etc/somewhere-else"),
    "cache-id-empty": cache_id(b"\n"),
    "cache-id-not-text": cache_id(b"\xff" * 64),
    "cache-id-endless": cache_id(b"a" * 10_000),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_whole_is_not_found(change: Callable[[Store], None], tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = store.add(IMAGE)
    change(store)
    assert found(store, record) is None


@pytest.mark.parametrize(
    ("driver", "image_id", "diff_ids"),
    [
        pytest.param("zfs", None, None, id="driver-that-mounts"),
        pytest.param("../overlay2", None, None, id="driver-upwards"),
        pytest.param("overlay2", "sha256:../../x", None, id="id-upwards"),
        pytest.param("overlay2", "sha512:" + "0" * 128, None, id="id-by-another-digest"),
        pytest.param("overlay2", "", None, id="no-id"),
        pytest.param("overlay2", None, ["../x"], id="layer-upwards"),
        pytest.param("overlay2", None, ["sha256:" + "0" * 64], id="layer-that-is-not-there"),
        pytest.param("overlay2", None, [""], id="layer-without-a-name"),
    ],
)
def test_names_that_lead_nowhere(driver: str, image_id: str | None, diff_ids: list[str] | None, tmp_path: Path) -> None:
    record = Store(tmp_path).add(IMAGE)
    wanted = record["RootFS"]["Layers"] if diff_ids is None else diff_ids
    assert find_stored_image(tmp_path, driver, record["Id"] if image_id is None else image_id, wanted) is None


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    assert find_stored_image(tmp_path / "none", "overlay2", "sha256:" + "0" * 64, []) is None


def test_chain_ids_are_those_of_the_specification() -> None:
    """OCI image-spec config.md: ChainID(L0) = DiffID(L0); ChainID(L0|...|Ln) = Digest(ChainID(L0|...|Ln-1) + " " +
    DiffID(Ln)). Layers of the same content on different ones have different ids."""
    a, b, c = (f"sha256:{sha(name)}" for name in (b"A", b"B", b"C"))

    def digest(text: str) -> str:
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    assert chain_ids([]) == []
    assert chain_ids([a]) == [a]
    assert chain_ids([a, b]) == [a, digest(f"{a} {b}")]
    assert chain_ids([a, b, c]) == [a, digest(f"{a} {b}"), digest(f"{digest(f'{a} {b}')} {c}")]
    assert chain_ids([b, b])[1] != chain_ids([a, b])[1]
