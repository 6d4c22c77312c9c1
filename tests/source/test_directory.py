"""Directories that are images: unpacked archives, and what skopeo and Podman write as `dir:`."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imagemaker import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, Made, dump, gzipped, legacy, sha, small_layer

from imgscan.errors import InputError
from imgscan.layers.blob import open_layer
from imgscan.layers.listing import list_layer
from imgscan.source import open_image

ONE, TWO = small_layer(b"passwd", b"root"), small_layer(b"hosts", b"127.0.0.1 localhost")
IMAGE = Made(layers=(ONE, TWO, ONE), settings={"Env": ["A=1"]})


def blob(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{sha(data)}", "size": len(data)}


def as_files(image: Made) -> dict[str, bytes]:
    """The files of a `dir:` (containers/image, directory transport): blobs by the value of their digest."""
    layers = [gzipped(layer) for layer in image.layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blob(image.config, CONFIG_TYPE),
        "layers": [blob(layer, LAYER_TYPE) for layer in layers],
    }
    files = {sha(data): data for data in (image.config, *layers)}
    return {"version": b"Directory Transport Version: 1.1\n", "manifest.json": dump(manifest), **files}


def with_platforms(images: Mapping[str, Made]) -> dict[str, bytes]:
    """The same with an index over several images (`skopeo copy --all`): their manifests by digest."""
    files: dict[str, bytes] = {}
    listed = []
    for architecture, image in images.items():
        files |= as_files(image)
        manifest = files.pop("manifest.json")
        files[f"{sha(manifest)}.manifest.json"] = manifest
        platform = {"os": "linux", "architecture": architecture}
        listed.append({**blob(manifest, MANIFEST_TYPE), "platform": platform})
    return {**files, "manifest.json": dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed})}


def write(folder: Path, files: Mapping[str, bytes]) -> str:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return str(folder)


def unpack(folder: Path, data: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder, filter="data")
    return str(folder)


def diff_ids(target: str) -> list[str | None]:
    """The diffIDs of a target's layers, computed of their bytes; every blob is read once."""
    with closing(open_image(target)) as reader:
        read = [(blob.name, list_layer(open_layer(blob.stream)).diff_id) for blob in reader.blobs()]
        assert len(dict(read)) == len(read)
        assert reader.skipped() == ()
        return [dict(read)[layer.blob] for layer in reader.image().layers]


WANTED = [f"sha256:{sha(layer)}" for layer in IMAGE.layers]


def test_what_skopeo_writes(tmp_path: Path) -> None:
    folder = write(tmp_path / "image", as_files(IMAGE))
    assert diff_ids(folder) == WANTED
    with closing(open_image(folder)) as reader:
        image = reader.image()
        assert (reader.kind, image.image_id, image.config.env) == ("layout", f"sha256:{sha(IMAGE.config)}", ("A=1",))
        assert [layer.digest for layer in image.layers] == [f"sha256:{sha(gzipped(layer))}" for layer in IMAGE.layers]


def test_it_needs_no_path_to_be_told_from_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "image", as_files(IMAGE))
    monkeypatch.chdir(tmp_path)
    assert diff_ids("image") == WANTED


@pytest.mark.parametrize(
    ("selector", "layer"),
    [
        pytest.param("linux/arm64", TWO, id="platform"),
        pytest.param("linux/amd64", ONE, id="another"),
    ],
)
def test_several_platforms(selector: str, layer: bytes, tmp_path: Path) -> None:
    images = {"amd64": Made(layers=(ONE,)), "arm64": Made(layers=(TWO,), architecture="arm64")}
    folder = write(tmp_path / "image", with_platforms(images))
    assert diff_ids(f"{folder}:{selector}") == [f"sha256:{sha(layer)}"]


def test_a_platform_that_is_not_there(tmp_path: Path) -> None:
    images = {"amd64": Made(layers=(ONE,)), "arm64": Made(layers=(TWO,), architecture="arm64")}
    files = with_platforms(images)
    manifest = json.loads(files["manifest.json"])["manifests"][1]["digest"].removeprefix("sha256:")
    del files[f"{manifest}.manifest.json"]
    with closing(open_image(write(tmp_path / "image", files))) as reader:
        assert reader.image().platform == "linux/amd64"
        assert [note.where for note in reader.skipped()] == ["linux/arm64"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({sha(IMAGE.config): None}, "configuration .* is missing", id="no-configuration"),
        pytest.param({sha(gzipped(TWO)): None}, "layer 1 .* is missing", id="no-layer"),
        pytest.param({"manifest.json": b"{}"}, "holds no image", id="empty-manifest"),
        pytest.param({"manifest.json": b'{"config": {"digest": "../x"}}'}, "configuration .* is missing", id="a-path"),
        pytest.param({"manifest.json": b'{"manifests": [{"digest": 1}]}'}, "holds no image", id="index-of-nothing"),
        pytest.param({sha(IMAGE.config): b"{}"}, "no container image", id="no-image"),
        pytest.param({sha(IMAGE.config): b"{"}, "not valid JSON", id="no-json"),
    ],
)
def test_what_is_broken(change: dict[str, bytes | None], said: str, tmp_path: Path) -> None:
    files = {name: data for name, data in {**as_files(IMAGE), **change}.items() if data is not None}
    with pytest.raises(InputError, match=said):
        diff_ids(write(tmp_path / "image", files))


def test_an_unpacked_archive_has_each_layer_once(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "image", legacy(IMAGE))
    assert diff_ids(folder) == WANTED
    with closing(open_image(folder)) as reader:
        assert len(list(reader.blobs())) == 2


def test_a_link_to_a_name_that_no_report_can_show(tmp_path: Path) -> None:
    folder = Path(write(tmp_path / "image", as_files(IMAGE)))
    layer = folder / sha(gzipped(TWO))
    layer.rename(folder / "odd\udcff")
    layer.symlink_to("odd\udcff")
    assert diff_ids(str(folder)) == WANTED
