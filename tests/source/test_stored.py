"""An image out of an engine's store: what is read where it lies is what an export gives, or there is no such reader."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from imagemaker import CONTENT, Made, content_store, gzipped, sha, small_layer
from tarmaker import archive, directory, hardlink, header, member
from tarsplits import Store

from imgscan.engine import Engine
from imgscan.enginerecords import EngineInfo
from imgscan.layers.blob import open_layer
from imgscan.layers.digests import check_digests
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer
from imgscan.source.content import find_content
from imgscan.source.records import ImageReader, StoreError
from imgscan.source.stored import open_stored_image

IMAGE = Made(
    layers=(
        small_layer(b"passwd", b"root"),
        archive(directory(b"app/"), member(b"app/x", b"y" * 700), hardlink(b"app/z", b"app/x"), header(b".wh.etc")),
    ),
    settings={"Env": ["A=1"]},
    history=[{"created_by": "ADD x / "}, {"created_by": "CMD x", "empty_layer": True}, {"created_by": "COPY . ."}],
)


@dataclass
class FakeEngine:
    """What of an engine is asked for: where it is, and what it says of itself."""

    root: Path
    store: str = "overlay2"
    kind: str = "docker"
    host: str = "unix:///var/run/docker.sock"
    info: EngineInfo = field(init=False)

    def __post_init__(self) -> None:
        root = str(self.root) if self.root != Path() else ""
        self.info = EngineInfo(
            kind=self.kind, version="", api_version="", store=self.store, cpus=1, platform="", root_dir=root
        )


def opened(record: dict[str, Any], engine: FakeEngine) -> ImageReader | None:
    return open_stored_image("app:1", record, cast(Engine, engine))


def read(reader: ImageReader | None) -> dict[str, LayerListing]:
    assert reader is not None
    with closing(reader):
        return {
            blob.name: list_layer(open_layer(blob.stream, verify=blob.verify), ReadingSearch())
            for blob in reader.blobs()
        }


def of_archive(tar: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(tar), verify=False), ReadingSearch())


def test_a_graph_driver_s_image(tmp_path: Path) -> None:
    record = Store(tmp_path).add(IMAGE)
    reader = opened(record, FakeEngine(tmp_path))
    assert reader is not None
    image = reader.image()
    assert (reader.ref, reader.kind, reader.is_known) == ("app:1", "image", True)
    assert (image.image_id, image.platform, image.raw_config) == (record["Id"], "linux/amd64", IMAGE.config)
    assert image.config.env == ("A=1",)
    assert [layer.created_by for layer in image.layers] == ["ADD x / ", "COPY . ."]
    assert (reader.documents(), reader.skipped()) == ((), ())
    listings = read(reader)
    assert [listings[layer.blob] for layer in image.layers] == [of_archive(tar) for tar in IMAGE.layers]


def test_a_layer_that_comes_twice_is_read_once(tmp_path: Path) -> None:
    image = Made(layers=(IMAGE.layers[0], IMAGE.layers[1], IMAGE.layers[0]))
    reader = opened(Store(tmp_path).add(image), FakeEngine(tmp_path))
    assert reader is not None
    assert [layer.blob for layer in reader.image().layers] == [f"sha256:{sha(tar)}" for tar in image.layers]
    assert len(read(reader)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"host": "tcp://10.0.0.1:2375"}, id="another-machine"),
        pytest.param({"host": "ssh://somebody@10.0.0.1"}, id="another-machine-by-ssh"),
        pytest.param({"kind": "podman"}, id="podman"),
        pytest.param({"store": "zfs"}, id="a-driver-that-mounts"),
        pytest.param({"root": Path()}, id="no-root"),
        pytest.param({"root": Path("/nonexistent")}, id="root-of-a-virtual-machine"),
        pytest.param({"store": "containerd:overlayfs"}, id="another-store"),
    ],
)
def test_no_reader(changes: dict[str, Any], tmp_path: Path) -> None:
    record = Store(tmp_path).add(IMAGE)
    assert opened(record, FakeEngine(tmp_path)) is not None
    assert opened(record, FakeEngine(**{"root": tmp_path, **changes})) is None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({}, id="empty"),
        pytest.param({"Id": 7, "RootFS": []}, id="of-other-kinds"),
        pytest.param({"Id": "sha256:" + "0" * 64, "RootFS": {"Layers": None}}, id="without-layers"),
    ],
)
@pytest.mark.parametrize("store", ["overlay2", "containerd:overlayfs"])
def test_records_that_say_nothing(record: dict[str, Any], store: str, tmp_path: Path) -> None:
    Store(tmp_path).add(IMAGE)
    assert opened(record, FakeEngine(tmp_path, store=store)) is None


def test_a_file_that_goes_while_the_image_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    reader = opened(store.add(IMAGE), FakeEngine(tmp_path))
    (store.files_of(IMAGE, 1) / "app/x").unlink()
    with pytest.raises(StoreError):
        read(reader)


@pytest.mark.parametrize("index", [False, True], ids=["manifest", "index"])
@pytest.mark.parametrize("folder", [CONTENT, "../containerd/io.containerd.content.v1.content"], ids=["own", "system"])
def test_an_image_of_a_content_store(folder: str, index: bool, tmp_path: Path) -> None:
    root = tmp_path / "docker"
    root.mkdir()
    record = content_store(root, IMAGE, folder=folder, index=index)
    reader = opened(record, FakeEngine(root, store="containerd:overlayfs"))
    assert reader is not None
    image = reader.image()
    assert (image.ref, image.image_id) == ("app:1", record["Id"])
    assert any(b"predicate" in data for _, data in reader.documents()) is index
    listings = read(reader)
    for layer, tar in zip(image.layers, IMAGE.layers, strict=True):
        found = listings[layer.blob]
        assert (found.diff_id, found.digest) == (f"sha256:{sha(tar)}", f"sha256:{sha(gzipped(tar))}")
        assert check_digests(found, diff_id=layer.diff_id, digest=layer.digest, where="") == ()
        assert found.items == of_archive(tar).items


@pytest.mark.parametrize("which", ["layer", "config", "manifest"])
def test_a_blob_that_is_missing(which: str, tmp_path: Path) -> None:
    record = content_store(tmp_path, IMAGE)
    blobs = tmp_path / CONTENT / "blobs" / "sha256"
    names = {
        "layer": sha(gzipped(IMAGE.layers[1])),
        "config": sha(IMAGE.config),
        "manifest": record["Id"].removeprefix("sha256:"),
    }
    (blobs / names[which]).unlink()
    assert opened(record, FakeEngine(tmp_path, store="containerd:overlayfs")) is None


def test_an_image_whose_layers_are_others_than_the_engine_says(tmp_path: Path) -> None:
    record = content_store(tmp_path, IMAGE)
    record["RootFS"]["Layers"].reverse()
    assert opened(record, FakeEngine(tmp_path, store="containerd:overlayfs")) is None


def test_a_blob_that_goes_while_the_image_is_read(tmp_path: Path) -> None:
    record = content_store(tmp_path, IMAGE)
    reader = opened(record, FakeEngine(tmp_path, store="containerd:overlayfs"))
    (tmp_path / CONTENT / "blobs" / "sha256" / sha(gzipped(IMAGE.layers[1]))).unlink()
    with pytest.raises(StoreError):
        read(reader)


@pytest.mark.parametrize("digest", ["", "sha256:../../../etc", "sha512:" + "0" * 128, "sha256:" + "0" * 64])
def test_digests_that_are_not_in_the_store(digest: str, tmp_path: Path) -> None:
    content_store(tmp_path, IMAGE)
    assert find_content(tmp_path, digest) is None
