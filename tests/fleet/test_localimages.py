"""Images of archives, layouts and folders of them."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from fleetsources import expanded, made, names, nowhere, reasons
from imagemaker import (
    INDEX_TYPE,
    OCI_LAYOUT,
    Blobs,
    Made,
    add_manifest,
    dump,
    index_json,
    legacy,
    plain,
    sha,
    small_layer,
)
from tarmaker import archive, member

from imgscan.fleet.listing import World
from imgscan.source import open_image

ONE = Made(layers=(small_layer(b"one", b"1"),), names=("app:1",))
TWO = Made(layers=(small_layer(b"two", b"2"),), names=("app:2",))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return nowhere(tmp_path)


def named(name: str | None) -> dict[str, Any]:
    return {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}


def layout(*images: tuple[str | None, Made], index_of: tuple[str, ...] = ()) -> bytes:
    """An OCI layout as a tar: images by name, and an index of one image for several architectures."""
    blobs = Blobs()
    listed = [add_manifest(blobs, image, plain, **named(name)) for name, image in images]
    if index_of:
        several = [
            add_manifest(
                blobs,
                made(content=name.encode(), architecture=name),
                plain,
                platform={"os": "linux", "architecture": name},
            )
            for name in index_of
        ]
        index = dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": several})
        listed.append(blobs.add(index, INDEX_TYPE, **named("multi:1" if images else None)))
    return archive(OCI_LAYOUT, index_json(*listed), blobs.members())


def unpack(data: bytes, folder: Path) -> None:
    folder.mkdir(parents=True)
    file = folder.parent / f".{folder.name}.tar"
    file.write_bytes(data)
    with tarfile.open(file) as opened:
        opened.extractall(folder, filter="data")
    file.unlink()


def readable(listed: Any) -> None:
    """Every reference is one that a scan takes, with its platform."""
    for wanted in listed.wanted:
        reader = open_image(wanted.ref, platform=wanted.platform)
        try:
            list(reader.blobs())
            assert reader.image().layers
        finally:
            reader.close()


CONTENTS = [
    pytest.param(layout(("app:1", ONE)), [""], id="one"),
    pytest.param(layout(("app:1", ONE), ("app:2", TWO)), [":app:1", ":app:2"], id="two"),
    pytest.param(layout((None, ONE), (None, TWO)), [f":{sha(ONE.config)}", f":{sha(TWO.config)}"], id="without names"),
    pytest.param(
        layout(("app:1", ONE), ("app:1", TWO)), [f":{sha(ONE.config)}", f":{sha(TWO.config)}"], id="of one name"
    ),
    pytest.param(layout(("app:1", ONE), ("app:2", ONE)), [""], id="one of two names"),
    pytest.param(layout(("app:1", ONE), index_of=("amd64", "arm64")), [":app:1", ":multi:1"], id="an index among them"),
    pytest.param(layout(index_of=("amd64", "arm64")), [""], id="an index"),
    pytest.param(legacy(ONE), [""], id="docker save"),
]


@pytest.mark.parametrize("form", ["tar", "gzip", "folder"])
@pytest.mark.parametrize(("data", "selectors"), CONTENTS)
def test_images_of_one_file(data: bytes, selectors: list[str], form: str, tmp_path: Path, world: World) -> None:
    path = tmp_path / {"tar": "saved.tar", "gzip": "saved.tgz", "folder": "saved"}[form]
    if form == "folder":
        unpack(data, path)
    else:
        path.write_bytes(data if form == "tar" else gzip.compress(data))
    listed = expanded(str(path), world=world)
    assert [one.ref for one in listed.wanted] == names(listed) == [f"{path}{selector}" for selector in selectors]
    assert listed.not_listed == ()
    readable(listed)


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [((), [None]), (("all",), ["linux/amd64", "linux/arm64"]), (("linux/arm64",), ["linux/arm64"])],
)
def test_platforms(platforms: tuple[str, ...], expected: list[str | None], tmp_path: Path, world: World) -> None:
    path = tmp_path / "saved.tar"
    path.write_bytes(layout(("app:1", ONE), index_of=("amd64", "arm64")))
    listed = expanded(str(path), world=world, platforms=platforms)
    first, *others = listed.wanted
    assert (first.ref, first.platform) == (f"{path}:app:1", None)
    assert [one.platform for one in others] == expected
    assert {one.ref for one in others} == {f"{path}:multi:1"}
    assert len(set(names(listed))) == len(listed.wanted)
    readable(listed)


def test_a_folder(tmp_path: Path, world: World) -> None:
    root = tmp_path / "images"
    unpack(layout(("app:1", ONE), ("app:2", TWO)), root / "deep/er/layout")
    unpack(archive(member(b"manifest.json", b"{}")), root / "extension")
    (root / "extension/in.tar").write_bytes(legacy(TWO))
    (root / "one.tar").write_bytes(legacy(ONE))
    (root / "two").write_bytes(gzip.compress(legacy(TWO)))
    (root / "source.tar.gz").write_bytes(gzip.compress(archive(member(b"a", b"b"))))
    (root / "log.gz").write_bytes(gzip.compress(b"some text" * 1000))
    (root / "cut.tar").write_bytes(legacy(ONE)[:1500])
    (root / "notes").write_text("text")
    (root / "link.tar").symlink_to(root / "one.tar")
    (root / "round").symlink_to(root)
    os.mkfifo(root / "pipe.tar")
    listed = expanded(f"{root}/", world=world)
    assert [name.removeprefix(f"{root}/") for name in names(listed)] == [
        "one.tar",
        "two",
        "deep/er/layout:app:1",
        "deep/er/layout:app:2",
        "extension/in.tar",
    ]
    assert [item.source for item in listed.not_listed] == [f"{root}/cut.tar"]
    readable(listed)


def test_a_layout_as_a_folder(tmp_path: Path, world: World) -> None:
    unpack(layout(("app:1", ONE), ("app:2", TWO)), tmp_path / "saved")
    listed = expanded(f"{tmp_path}/saved/", world=world)
    assert names(listed) == [f"{tmp_path}/saved:app:1", f"{tmp_path}/saved:app:2"]
    readable(listed)


def test_a_folder_with_a_file_of_a_layouts_name(tmp_path: Path, world: World) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "one.tar").write_bytes(legacy(ONE))
    assert names(expanded(f"{tmp_path}/", world=world)) == [f"{tmp_path}/one.tar"]


def test_names_of_files(tmp_path: Path, world: World) -> None:
    root = tmp_path / "images"
    root.mkdir()
    for name in (b"a:b.tar", b"new\nline.tar", b"\xff.tar"):
        (root / os.fsdecode(name)).write_bytes(legacy(ONE))
    listed = expanded(str(root), world=world)
    assert names(listed) == [f"{root}/a:b.tar", f"{root}/new\\nline.tar"]
    assert reasons(listed) == [f"{root}/\\udcff.tar: its name is not UTF-8: give it another one"]
    readable(listed)


def test_a_folder_by_a_plain_word(tmp_path: Path, world: World) -> None:
    folder = Path(os.path.relpath(tmp_path))
    (tmp_path / "one").write_bytes(gzip.compress(legacy(ONE)))
    listed = expanded(f"{folder}/", world=world)
    assert len(listed.wanted) == 1
    readable(listed)


def test_nothing_there(tmp_path: Path, world: World) -> None:
    (tmp_path / "notes").write_text("text")
    (tmp_path / "empty.tar").write_bytes(archive(member(b"a", b"b")))
    assert "there is no image archive" in reasons(expanded(f"{tmp_path}/", world=world))[0]
    assert "holds no image" in reasons(expanded(f"{tmp_path}/empty.tar", world=world))[0]


def test_an_image_that_is_named(tmp_path: Path, world: World) -> None:
    path = tmp_path / "saved.tar"
    path.write_bytes(layout(("app:1", ONE), ("app:2", TWO)))
    listed = expanded(f"{path}:app:2", world=world, teams=((str(tmp_path), "us"),))
    assert [(one.ref, one.team) for one in listed.wanted] == [(f"{path}:app:2", "us")]


def test_folders_too_deep(tmp_path: Path, world: World) -> None:
    path = tmp_path
    for _ in range(45):
        path = path / "d"
    path.mkdir(parents=True)
    (path / "one.tar").write_bytes(legacy(ONE))
    listed = expanded(f"{tmp_path}/", world=world)
    assert listed.wanted == ()
    assert "folders deep" in reasons(listed)[0]
