"""Archives in every layout, by every way in; and those that are broken, hostile or not what they seem."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagemaker import (
    LAYOUTS,
    Blobs,
    Made,
    add_attestation,
    add_manifest,
    containerd,
    docker25,
    dump,
    gzipped,
    index_json,
    legacy,
    manifest_json,
    names_of,
    oci,
    plain,
    save_entry,
    sha,
    small_layer,
)
from tarmaker import archive, directory, hardlink, header, member, sparse_1, symlink

from imgscan.errors import EngineError, InputError
from imgscan.layers.blob import open_layer
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer
from imgscan.source import HistoryEntry, Image, ImageConfig, ImageReader, open_image
from imgscan.source.archive import OnePassReader
from imgscan.source.choice import Asked
from imgscan.source.config import MAX_JSON_BYTES

ONE, TWO = small_layer(b"passwd", b"root"), small_layer(b"hosts", b"127.0.0.1 localhost")
HISTORY: list[dict[str, Any]] = [
    {"created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
    {"created_by": "ENV A=1", "empty_layer": True},
    {"created_by": "RUN /bin/sh -c make # buildkit", "comment": "buildkit.dockerfile.v0"},
    {"created_by": "COPY . . # buildkit"},
]
IMAGE = Made(layers=(ONE, TWO, ONE), settings={"Env": ["A=1"], "User": "app"}, history=HISTORY)


def read(reader: ImageReader) -> tuple[Image, dict[str, LayerListing]]:
    try:
        found = {blob.name: list_layer(open_layer(blob.stream), ReadingSearch()) for blob in reader.blobs()}
        return reader.image(), found
    finally:
        reader.close()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes], str]:
    def write(data: bytes, name: str = "image.tar") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "file": plain,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_by_every_way(layout: str, way: str, save: Callable[[bytes], str]) -> None:
    reader = open_image(save(WAYS[way](LAYOUTS[layout](IMAGE))))
    image, listings = read(reader)
    assert (reader.kind, reader.skipped()) == ("archive", ())
    assert image.image_id == f"sha256:{sha(IMAGE.config)}"
    assert (image.platform, image.config.env, image.config.user) == ("linux/amd64", ("A=1",), "app")
    assert image.raw_config == IMAGE.config
    assert [layer.created_by for layer in image.layers] == [
        HISTORY[0]["created_by"],
        HISTORY[2]["created_by"],
        HISTORY[3]["created_by"],
    ]
    for layer, content in zip(image.layers, IMAGE.layers, strict=True):
        assert layer.diff_id == listings[layer.blob].diff_id == f"sha256:{sha(content)}"
        assert layer.digest in (None, listings[layer.blob].digest)
    assert len({layer.blob for layer in image.layers}) == 2


class Pipe:
    """Standard input with an archive in it."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)
        self.closed = False


@pytest.mark.parametrize("layout", LAYOUTS)
def test_standard_input(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(LAYOUTS[layout](IMAGE)))
    image, listings = read(open_image("-"))
    assert {layer.blob for layer in image.layers} <= set(listings)
    assert len(image.layers) == 3


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(legacy(IMAGE)))
    writer.start()
    image, _ = read(open_image(str(pipe)))
    writer.join()
    assert len(image.layers) == 3


def test_seekable_archives_know_the_image_at_once(save: Callable[[bytes], str]) -> None:
    reader = open_image(save(legacy(IMAGE)))
    assert len(reader.image().layers) == 3
    reader.close()


def test_one_pass_archives_know_it_at_the_end_only(save: Callable[[bytes], str]) -> None:
    reader = open_image(save(gzip.compress(legacy(IMAGE))))
    with pytest.raises(RuntimeError, match="last blob"):
        reader.image()
    reader.close()


def test_attestations_are_documents_and_no_layers(save: Callable[[bytes], str]) -> None:
    for pack in (plain, gzip.compress):
        reader = open_image(save(pack(containerd(IMAGE, b'{"predicate": "provenance"}'))))
        image, _ = read(reader)
        assert len(image.layers) == 3
        assert b'{"predicate": "provenance"}' in [data for _, data in reader.documents()]


@pytest.mark.parametrize(
    ("attached", "is_read"),
    [
        pytest.param(b"TOKEN=1\nno JSON\n", True, id="text"),
        pytest.param(b"\x01\0\0 bytes", True, id="bytes"),
        pytest.param(gzip.compress(b"TOKEN=1"), False, id="compressed"),
    ],
)
def test_what_is_attached_is_read_in_one_pass_too(attached: bytes, is_read: bool, save: Callable[[bytes], str]) -> None:
    for pack in (plain, gzip.compress):
        reader = open_image(save(pack(containerd(IMAGE, attached))))
        image, _ = read(reader)
        assert len(image.layers) == 3
        assert (attached in [data for _, data in reader.documents()]) is is_read


def test_old_layer_configurations_are_documents(save: Callable[[bytes], str]) -> None:
    reader = open_image(save(legacy(IMAGE)))
    assert sum(name.endswith("/json") for name, _ in reader.documents()) == 3
    reader.close()


@pytest.mark.parametrize(
    ("record", "left"),
    [
        pytest.param(b'{"config": {"Env": ["A=1"], "User": "app"}}', [], id="copy"),
        pytest.param(b'{"config": {"Env": ["A=1", "B=2"]}}', [b"B=2"], id="further-value"),
        pytest.param(b'{"config": {"Labels": {"key": "app"}}}', [b"Labels", b"key"], id="further-name"),
        pytest.param(b'{"config": {"Env": ["B=2"], "Env": ["A=1"]}}', [b"B=2"], id="hidden-by-its-double"),
        pytest.param(b'[["B=2"], 1, null, {"a": [true, "A=1"]}]', [b"B=2", b"a"], id="other-shape"),
        pytest.param(b'{"config": ', [b'{"config": '], id="no-json"),
        pytest.param(b"[" * 100_000, [b"[" * 100_000], id="too-deep"),
        pytest.param(b'{"n": ' + b"9" * 5000 + b', "B": "2"}', [b"n", b"B", b"2"], id="number-too-long"),
        pytest.param(b"[" + b"1," * 2_100_000 + b"1]", [b"[" + b"1," * 2_100_000 + b"1]"], id="too-many-values"),
    ],
)
def test_of_old_layer_configurations_only_what_they_say_more(
    record: bytes, left: list[bytes], save: Callable[[bytes], str]
) -> None:
    image = Made(layers=(ONE,), settings={"Env": ["A=1"], "User": "app"})
    config = member(b"c.json", image.config)
    data = lone([ENTRY], config, member(b"l/json", record), member(b"l/layer.tar", ONE))
    with closing(open_image(save(data))) as reader:
        assert reader.documents() == (("l/json", b"\n".join(left)),)


OTHER = Made(layers=(TWO,), names=("registry.example:5000/team/other:2", "other:latest"))


def bundle(*images: Made) -> bytes:
    blobs = Blobs()
    for image in images:
        add_manifest(blobs, image, plain)
    return archive(blobs.members(), manifest_json(*(save_entry(image) for image in images)))


@pytest.mark.parametrize(
    ("selector", "layers"),
    [
        pytest.param("app:1", 3, id="name"),
        pytest.param("docker.io/library/app:1", 3, id="full-name"),
        pytest.param("registry.example:5000/team/other:2", 1, id="with-port"),
        pytest.param("other", 1, id="default-tag"),
        pytest.param(sha(OTHER.config)[:12], 1, id="short-id"),
        pytest.param(f"sha256:{sha(IMAGE.config)}", 3, id="id"),
    ],
)
@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
def test_one_of_several_images(
    pack: Callable[[bytes], bytes], selector: str, layers: int, save: Callable[[bytes], str]
) -> None:
    image, listings = read(open_image(f"{save(pack(bundle(IMAGE, OTHER)))}:{selector}"))
    assert len(image.layers) == layers
    assert all(layer.blob in listings for layer in image.layers)


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
@pytest.mark.parametrize("selector", ["", ":nowhere:1"], ids=["none", "unknown"])
def test_several_images_are_listed(pack: Callable[[bytes], bytes], selector: str, save: Callable[[bytes], str]) -> None:
    reader = open_image(save(pack(bundle(IMAGE, OTHER))) + selector)
    with pytest.raises(InputError) as caught:
        read(reader)
    told = caught.value.what + caught.value.cause
    assert "app:1" in told
    assert "registry.example:5000/team/other:2" in told
    assert caught.value.next_step


def test_of_several_platforms_this_machine_s_is_taken(
    save: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs()
    images = [Made(layers=(ONE,), architecture="arm64"), Made(layers=(TWO,), architecture="amd64")]
    found = [
        add_manifest(
            blobs, image, plain, platform={"os": "linux", "architecture": image.architecture}, **names_of(image)
        )
        for image in images
    ]
    path = save(archive(index_json(*found), blobs.members()))
    for machine, content in (("x86_64", TWO), ("aarch64", ONE)):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        with closing(open_image(path)) as reader:
            assert reader.image().layers[0].diff_id == f"sha256:{sha(content)}"
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with closing(open_image(path)) as reader, pytest.raises(InputError, match=r"several images.*arm64"):
        reader.image()
    with closing(open_image(f"{path}:linux/arm64")) as reader:
        assert reader.image().platform == "linux/arm64"


def of_platforms(*images: Made) -> bytes:
    """What an engine with the containerd store saves: manifest.json names the first, the index all of them."""
    blobs = Blobs()
    found = [
        add_manifest(blobs, image, plain, platform={"os": "linux", "architecture": image.architecture})
        for image in images
    ]
    nested = blobs.add(dump({"manifests": found}), "application/vnd.oci.image.index.v1+json", **names_of(images[0]))
    return archive(index_json(nested), manifest_json(save_entry(images[0])), blobs.members())


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
@pytest.mark.parametrize(
    ("selector", "layer"),
    [
        pytest.param("", ONE, id="none"),
        pytest.param(":app:1", ONE, id="name"),
        pytest.param(":linux/amd64", ONE, id="its-platform"),
        pytest.param(":linux/arm64", TWO, id="another-platform"),
        pytest.param(":linux/arm64/v8", TWO, id="in-other-words"),
        pytest.param(f":{sha(Made(layers=(TWO,), architecture='arm64').config)[:12]}", TWO, id="its-id"),
    ],
)
def test_a_platform_that_manifest_json_does_not_list(
    selector: str, layer: bytes, pack: Callable[[bytes], bytes], save: Callable[[bytes], str]
) -> None:
    data = of_platforms(Made(layers=(ONE,)), Made(layers=(TWO,), architecture="arm64"))
    image, listings = read(open_image(save(pack(data)) + selector))
    assert [listings[found.blob].diff_id for found in image.layers] == [f"sha256:{sha(layer)}"]


def test_the_platform_option_finds_them_too(save: Callable[[bytes], str]) -> None:
    target = save(of_platforms(Made(layers=(ONE,)), Made(layers=(TWO,), architecture="arm64")))
    with closing(open_image(target, platform="linux/arm64")) as reader:
        assert reader.image().layers[0].diff_id == f"sha256:{sha(TWO)}"
    with closing(open_image(target, platform="linux/s390x")) as reader:
        with pytest.raises(InputError, match="no image for linux/s390x") as caught:
            reader.image()
        assert caught.value.cause == "it holds linux/amd64, linux/arm64"


def test_platforms_are_told_by_name(save: Callable[[bytes], str]) -> None:
    data = of_platforms(Made(layers=(ONE,)), Made(layers=(TWO,), architecture="arm64"))
    with pytest.raises(InputError, match=r"no image linux/arm$") as caught:
        read(open_image(save(data) + ":linux/arm"))
    assert "linux/arm64" in caught.value.cause
    assert "platform" in caught.value.next_step


def test_a_broken_configuration_of_another_platform_is_no_harm(save: Callable[[bytes], str]) -> None:
    blobs = Blobs()
    found = [add_manifest(blobs, image, plain) for image in (IMAGE, OTHER)]
    data = archive(index_json(*found), blobs.members()).replace(OTHER.config, b"[" * len(OTHER.config))
    image, _ = read(open_image(save(data)))
    assert len(image.layers) == 3


def test_platforms_without_bytes_are_no_harm(save: Callable[[bytes], str]) -> None:
    blobs = Blobs()
    missing = {"digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "s390x"}}
    found = add_manifest(blobs, IMAGE, plain)
    reader = open_image(save(archive(index_json(missing, found), blobs.members())))
    assert len(reader.image().layers) == 3
    assert [note.where for note in reader.skipped()] == ["linux/s390x"]
    reader.close()


def looping() -> bytes:
    """An index that lists itself cannot be made; two files that lie about their digests can."""
    names = ["1" * 64, "2" * 64]
    blobs = b"".join(
        member(f"blobs/sha256/{name}".encode(), dump({"manifests": [{"digest": f"sha256:{other}"}]}))
        for name, other in zip(names, names[::-1], strict=True)
    )
    return archive(index_json({"digest": f"sha256:{names[0]}"}), blobs)


def nested(depth: int) -> bytes:
    blobs = Blobs()
    found = add_manifest(blobs, IMAGE, plain)
    for _ in range(depth):
        found = blobs.add(dump({"manifests": [found]}), "application/vnd.oci.image.index.v1+json")
    return archive(index_json(found), blobs.members())


def artifact() -> bytes:
    blobs = Blobs()
    manifest = {
        "config": blobs.add(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [blobs.add(b"chart", "application/x")],
    }
    return archive(index_json(blobs.add(dump(manifest), "m")), blobs.members())


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}


def lone(entry: Any, *parts: bytes) -> bytes:
    return archive(member(b"manifest.json", dump(entry)), *parts)


ENTRY = {"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l/layer.tar"]}
CONFIG = member(b"c.json", Made(layers=(ONE,)).config)
DEEP = b"[" * 200_000


def large_config() -> bytes:
    return member(b"c.json", b'{"rootfs": {"diff_ids": []}, "x": "%s"}' % (b"x" * (15 << 20)))


def links_to_it() -> Iterator[bytes]:
    return (symlink(b"c%d" % number, b"c.json") for number in range(40))


BROKEN = [
    pytest.param(b"", "is empty", id="empty-file"),
    pytest.param(b"FROM scratch\n", "no tar archive", id="text"),
    pytest.param(os.urandom(2000), "no tar archive|no image archive", id="noise"),
    pytest.param(legacy(IMAGE)[:-3000], "no tar archive|missing|holds no image", id="cut-off"),
    pytest.param(gzip.compress(legacy(IMAGE))[:-20], "no image archive", id="gzip-cut-off"),
    pytest.param(archive(member(b"etc/passwd", b"root")), "holds no image", id="a-root-file-system"),
    pytest.param(archive(), "holds no image", id="empty-archive"),
    pytest.param(lone(None), "holds no image", id="manifest-null"),
    pytest.param(lone([]), "holds no image", id="manifest-empty"),
    pytest.param(lone({"schemaVersion": 2}), "holds no image", id="manifest-an-object"),
    pytest.param(lone([1, "x", None, []]), "holds no image", id="manifest-of-nonsense"),
    pytest.param(archive(member(b"manifest.json", b"[{")), "not valid JSON", id="manifest-no-json"),
    pytest.param(archive(member(b"manifest.json", DEEP)), "nested too deeply|not valid JSON", id="manifest-deep"),
    pytest.param(
        archive(member(b"manifest.json", b"[" + b" " * MAX_JSON_BYTES + b"]")), "larger|holds no image", id="huge"
    ),
    pytest.param(lone([without(ENTRY, "Config")]), "configuration .* is missing", id="no-config-name"),
    pytest.param(lone([ENTRY]), r"configuration \(c.json\) is missing", id="config-missing"),
    pytest.param(lone([ENTRY], CONFIG), r"layer 0 \(l/layer.tar\) is missing", id="layer-missing"),
    pytest.param(
        lone([ENTRY], CONFIG, symlink(b"l/layer.tar", b"../m/layer.tar"), symlink(b"m/layer.tar", b"../l/layer.tar")),
        "layer 0 .* is missing",
        id="layer-link-cycle",
    ),
    pytest.param(
        lone([ENTRY], CONFIG, symlink(b"l/layer.tar", b"../../../../etc/passwd")),
        "layer 0 .* is missing",
        id="layer-link-out",
    ),
    pytest.param(lone([ENTRY], member(b"c.json", b"{}")), "no container image", id="config-without-root-fs"),
    pytest.param(artifact(), "no container image", id="artifact"),
    pytest.param(looping(), "holds no image", id="index-loop"),
    pytest.param(nested(20), "holds no image", id="index-too-deep"),
    pytest.param(archive(index_json({"digest": "../../etc/passwd"})), "holds no image", id="index-of-paths"),
    pytest.param(
        lone([{**ENTRY, "Layers": ["l/layer.tar"] * 1001}], CONFIG, member(b"l/layer.tar", ONE)),
        "lists 1,001 layers",
        id="one-layer-a-thousand-times",
    ),
    pytest.param(
        archive(member(b"manifest.json", b"[" + b"{}," * 1_500_000 + b"{}]")), "more than 2,000,000 values", id="values"
    ),
    pytest.param(archive(member(b"manifest.json", b"[NaN]")), "not valid JSON", id="manifest-of-no-number"),
    pytest.param(archive(member(b"manifest.json", b'{"a": NaN}')), "not valid JSON", id="nan"),
    pytest.param(
        lone([{**ENTRY, "Config": f"c{number}"} for number in range(40)], large_config(), *links_to_it()),
        r"more than 268,435,456 bytes",
        id="one-configuration-under-many-names",
    ),
    pytest.param(
        archive(*(member(b"a", b"%d" % number) for number in range(600))),
        "no image archive",
        id="one-name-600-times",
    ),
    pytest.param(legacy(IMAGE)[:-1024] + header(b"x", size=1 << 62), "no tar archive", id="a-member-of-4-EiB"),
]


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
@pytest.mark.parametrize(("data", "said"), BROKEN)
def test_broken_archives_are_input_errors(
    data: bytes, said: str, pack: Callable[[bytes], bytes], save: Callable[[bytes], str]
) -> None:
    if pack is gzip.compress and (not data or data[:2] == b"\x1f\x8b"):
        pack = plain
    said += "|no image archive" if pack is gzip.compress else ""
    with pytest.raises(InputError, match=said) as caught:
        read(open_image(save(pack(data))))
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    "links",
    [
        pytest.param(symlink(b"l/layer.tar", b"../real.tar"), id="symlink"),
        pytest.param(symlink(b"l/layer.tar", b"../a") + symlink(b"a", b"b") + symlink(b"b", b"./real.tar"), id="chain"),
        pytest.param(hardlink(b"l/layer.tar", b"real.tar"), id="hard-link"),
    ],
)
def test_layers_behind_links(links: bytes, save: Callable[[bytes], str]) -> None:
    for pack in (plain, gzip.compress):
        image, listings = read(open_image(save(pack(lone([ENTRY], CONFIG, links, member(b"real.tar", ONE))))))
        assert listings[image.layers[0].blob].diff_id == f"sha256:{sha(ONE)}"


def sparse(name: bytes, data: bytes) -> bytes:
    """A file as `tar --sparse` writes it, without its blocks of zeros."""
    pairs = [(at, len(data[at : at + 512])) for at in range(0, len(data), 512) if any(data[at : at + 512])]
    return sparse_1(name, len(data), pairs, b"".join(data[at : at + size] for at, size in pairs))


FIRST, LAST = Made(layers=(ONE,), settings={"User": "first"}), Made(layers=(TWO,), settings={"User": "last"})


@pytest.mark.parametrize(
    ("parts", "user", "told"),
    [
        pytest.param((member(b"c.json", FIRST.config), member(b"c.json", LAST.config)), "last", True, id="two-files"),
        pytest.param((member(b"c.json", LAST.config), member(b"c.json", LAST.config)), "last", False, id="the-same"),
        pytest.param(
            (member(b"d", LAST.config), member(b"c.json", FIRST.config), symlink(b"c.json", b"d")),
            "last",
            True,
            id="a-link-in-place-of-a-file",
        ),
        pytest.param(
            (member(b"d", FIRST.config), symlink(b"c.json", b"d"), member(b"c.json", LAST.config)),
            "last",
            True,
            id="a-file-in-place-of-a-link",
        ),
        pytest.param(
            (member(b"d", LAST.config), hardlink(b"c.json", b"d"), member(b"d", FIRST.config)),
            "last",
            True,
            id="a-hard-link-to-what-was-replaced",
        ),
        pytest.param(
            (member(b"d", FIRST.config), symlink(b"c.json", b"d"), member(b"d", LAST.config)),
            "last",
            True,
            id="a-symbolic-link-to-what-is-there-in-the-end",
        ),
        pytest.param((member(b"c.json", FIRST.config), directory(b"c.json/")), None, False, id="a-directory-instead"),
        pytest.param(
            (sparse(b"c.json", LAST.config),),
            "last",
            False,
            id="a-sparse-file",
        ),
    ],
)
@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
def test_the_last_of_a_name_counts_and_is_told(
    pack: Callable[[bytes], bytes], parts: tuple[bytes, ...], user: str | None, told: bool, save: Callable[[bytes], str]
) -> None:
    layers = member(b"l/layer.tar", ONE) if user != "last" else member(b"l/layer.tar", TWO)
    reader = open_image(save(pack(archive(member(b"manifest.json", dump([ENTRY])), *parts, layers))))
    if user is None:
        with pytest.raises(InputError, match="is missing"):
            read(reader)
        return
    image, listings = read(reader)
    assert image.config.user == user
    assert [listings[layer.blob].diff_id for layer in image.layers] == [layer.diff_id for layer in image.layers]
    assert any("twice, and differs" in note.reason for note in reader.skipped()) is told


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
def test_a_layer_in_place_of_a_document_is_called_the_same(
    pack: Callable[[bytes], bytes], save: Callable[[bytes], str]
) -> None:
    parts = member(b"c.json", LAST.config), member(b"l/layer.tar", b"{}"), member(b"l/layer.tar", TWO)
    image, listings = read(open_image(save(pack(archive(member(b"manifest.json", dump([ENTRY])), *parts)))))
    assert [layer.blob for layer in image.layers] == ["/4/l/layer.tar"]
    assert listings["/4/l/layer.tar"].diff_id == image.layers[0].diff_id


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
def test_of_two_layers_of_one_name_the_last_is_read(
    pack: Callable[[bytes], bytes], save: Callable[[bytes], str]
) -> None:
    parts = (member(b"l/layer.tar", TWO), hardlink(b"k", b"l/layer.tar"), member(b"l/layer.tar", ONE))
    entry = {**ENTRY, "Layers": ["l/layer.tar", "k"]}
    config = member(b"c.json", Made(layers=(ONE, TWO)).config)
    image, listings = read(open_image(save(pack(lone([entry], config, *parts)))))
    assert [listings[layer.blob].diff_id for layer in image.layers] == [f"sha256:{sha(ONE)}", f"sha256:{sha(TWO)}"]


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["seek", "stream"])
def test_a_sparse_layer(pack: Callable[[bytes], bytes], save: Callable[[bytes], str]) -> None:
    layer = archive(member(b"zeros", bytes(100_000)), member(b"end", b"end"))
    data = lone([ENTRY], member(b"c.json", Made(layers=(layer,)).config), sparse(b"l/layer.tar", layer))
    image, listings = read(open_image(save(pack(data))))
    assert listings[image.layers[0].blob].diff_id == image.layers[0].diff_id


def test_more_or_fewer_layers_than_diff_ids_are_told(save: Callable[[bytes], str]) -> None:
    entry = {**ENTRY, "Layers": ["one.tar", "two.tar"]}
    data = lone([entry], CONFIG, member(b"one.tar", ONE), member(b"two.tar", TWO))
    reader = open_image(save(data))
    image, _ = read(reader)
    assert [layer.diff_id for layer in image.layers] == [f"sha256:{sha(ONE)}", ""]
    assert reader.skipped()[0].reason == "it lists 2 layers, the configuration 1"


def test_a_config_that_is_not_what_its_name_says_is_told(save: Callable[[bytes], str]) -> None:
    data = docker25(IMAGE).replace(b'"User": "app"', b'"User": "ppa"')
    reader = open_image(save(data))
    assert any("is named sha256:" in note.reason for note in reader.skipped())
    reader.close()


def test_a_manifest_that_is_not_what_its_digest_says_is_told(save: Callable[[bytes], str]) -> None:
    data = oci(IMAGE)
    changed = data.replace(b"image.layer.v1.tar", b"image.layer.v1.taR")
    assert changed != data
    reader = open_image(save(changed))
    reader.image()
    assert [note.where for note in reader.skipped()] == ["manifest"]
    reader.close()


def test_layers_from_elsewhere_are_skipped(save: Callable[[bytes], str]) -> None:
    blobs = Blobs()
    far = {"digest": f"sha256:{'0' * 64}", "size": 9, "mediaType": "f", "urls": ["https://example.invalid/base"]}
    config = blobs.add(Made(layers=(ONE, TWO)).config, "c")
    manifest = {"config": config, "layers": [far, blobs.add(TWO, "l")]}
    data = archive(index_json(blobs.add(dump(manifest), "m")), blobs.members())
    reader = open_image(save(data))
    image, listings = read(reader)
    assert [layer.blob in listings for layer in image.layers] == [False, True]
    assert [layer.elsewhere_bytes for layer in image.layers] == [9, None]
    assert reader.skipped() == ()


def test_manifest_json_without_layers_gives_way_to_the_index(save: Callable[[bytes], str]) -> None:
    blobs = Blobs()
    found = add_manifest(blobs, IMAGE, plain)
    entry = {**save_entry(IMAGE), "Layers": None}
    reader = open_image(save(archive(blobs.members(), index_json(found), manifest_json(entry))))
    assert len(reader.image().layers) == 3
    reader.close()


def test_a_layer_that_begins_like_json_is_a_layer(save: Callable[[bytes], str]) -> None:
    tricky = archive(member(b'{"a":1}', b"secret"))
    for layout in (legacy, docker25, oci):
        for pack in (plain, gzip.compress):
            image, listings = read(open_image(save(pack(layout(Made(layers=(tricky,)))))))
            assert next(iter(listings[image.layers[0].blob].items)).path == b'{"a":1}'


def test_an_empty_layer_of_no_bytes(save: Callable[[bytes], str]) -> None:
    for pack in (plain, gzip.compress):
        image, listings = read(open_image(save(pack(docker25(Made(layers=(ONE, b"")))))))
        assert listings[image.layers[1].blob].entries == 0


@pytest.mark.parametrize("root_fs", [{"type": "layers"}, {"type": "layers", "diff_ids": None}], ids=["none", "null"])
def test_an_image_without_layers(root_fs: dict[str, Any], save: Callable[[bytes], str]) -> None:
    config = dump({"os": "linux", "architecture": "amd64", "config": {"Env": ["A=1"]}, "rootfs": root_fs})
    entry = {"Config": "c.json", "RepoTags": ["a:1"], "Layers": None}
    image, listings = read(open_image(save(lone([entry], member(b"c.json", config)))))
    assert (image.layers, image.config.env, listings) == ((), ("A=1",), {})


def test_field_names_match_as_the_engine_s_do(save: Callable[[bytes], str]) -> None:
    config = json.loads(IMAGE.config)
    config["CONFIG"] = {"ENV": ["B=2"]}
    entry = {**ENTRY, "Layers": []}
    reader = open_image(save(lone([entry], member(b"c.json", dump(config)))))
    assert reader.image().config.env == ("B=2",)
    reader.close()


DIFF = f"sha256:{sha(ONE)}"


def config_of(text: bytes, save: Callable[[bytes], str]) -> ImageConfig:
    """What is read from a configuration of this text, `{D}` standing for its diffIDs."""
    text = text.replace(b"{D}", b'"rootfs": {"diff_ids": ["%s"]}' % DIFF.encode())
    with closing(open_image(save(lone([ENTRY], member(b"c.json", text), member(b"l/layer.tar", ONE))))) as reader:
        return reader.image().config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b'{{D}, "config": {"Env": ["A=\\ud800"]}}', {"env": ("A=\ufffd",)}, id="lone-surrogate"),
        pytest.param(
            b'{{D}, "config": {"User": "\\ude00\\ud83d"}}', {"user": "\ufffd\ufffd"}, id="surrogates-reversed"
        ),
        pytest.param(b'{{D}, "config": {"User": "\\ud83d\\ude00"}}', {"user": "\U0001f600"}, id="a-pair-of-surrogates"),
        pytest.param(b'{{D}, "config": {"User": "\\\\ud800"}}', {"user": "\\ud800"}, id="an-escaped-backslash"),
        pytest.param(b'{{D}, "config": {"User": "\xed\xa0\x80"}}', {"user": "\ufffd" * 3}, id="raw-surrogate"),
        pytest.param(
            b'{{D}, "n": %s, "config": {"User": "u"}}' % (b"9" * 5000), {"user": "u"}, id="number-without-end"
        ),
        pytest.param(
            b'{{D}, "config": {"Env": ["A=1"]}, "config": {"User": "u"}}', {"env": ("A=1",), "user": "u"}, id="twice"
        ),
        pytest.param(
            b'{{D}, "config": {"Env": ["A=1"]}, "Config": {"User": "u"}, "config": {"User": "v"}}',
            {"env": ("A=1",), "user": "v"},
            id="three-times-in-order",
        ),
        pytest.param(b'{{D}, "config": {"Env": ["A=1"]}, "config": null}', {"env": ()}, id="null-clears"),
        pytest.param(b'{{D}, "config": {"User": "u", "user": null}}', {"user": "u"}, id="null-leaves-a-string"),
        pytest.param(
            b'{{D}, "config": {"Env": ["A=1", "B=2"], "ENV": [null]}}', {"env": ("A=1",)}, id="null-leaves-an-element"
        ),
        pytest.param(
            b'{{D}, "config": {"Env": ["A=1"], "Env": [], "Env": [null, "B=2"]}}', {"env": ("B=2",)}, id="empty-clears"
        ),
        pytest.param(
            b'{{D}, "config": {"Labels": {"a": "1", "A": "2"}, "labels": {"b": "3", "a": "4"}}}',
            {"labels": (("A", "2"), ("a", "4"), ("b", "3"))},
            id="maps-are-joined",
        ),
        pytest.param(b'{{D}, "con\\u0066ig": {"u\xc5\xbfer": "u"}}', {"user": "u"}, id="long-s"),
        pytest.param(
            b'{{D}, "history": [{"created_by": "a"}, null, {"created_by": "b"}]}',
            {"history": (HistoryEntry(created_by="a"), HistoryEntry(created_by=""), HistoryEntry(created_by="b"))},
            id="null-in-the-history",
        ),
        pytest.param(
            b'{{D}, "history": [{"created_by": "a"}], "history": [{"comment": "c"}, {"created_by": "b"}]}',
            {"history": (HistoryEntry(created_by="a", comment="c"), HistoryEntry(created_by="b"))},
            id="history-twice",
        ),
    ],
)
def test_a_configuration_says_what_go_reads_in_it(
    text: bytes, expected: dict[str, Any], save: Callable[[bytes], str]
) -> None:
    found = config_of(text, save)
    assert {name: getattr(found, name) for name in expected} == expected


def test_hostile_values_in_the_configuration(save: Callable[[bytes], str]) -> None:
    config = {
        "config": {
            "Env": {"a": 1},
            "Cmd": "one string",
            "Labels": ["x"],
            "Healthcheck": [],
            "Volumes": 7,
            "User": None,
        },
        "rootfs": {"diff_ids": [1, None, f"sha256:{sha(ONE)}"]},
        "history": {"created_by": "x"},
    }
    reader = open_image(save(lone([{**ENTRY, "Layers": []}], member(b"c.json", dump(config)))))
    found = reader.image().config
    assert (found.env, found.cmd, found.labels, found.healthcheck, found.history) == ((), ("one string",), (), None, ())
    reader.close()


def layout_directory(root: Path, image: Made) -> Path:
    blobs = Blobs()
    found = add_manifest(blobs, image, gzipped, annotations={"org.opencontainers.image.ref.name": "1"})
    attestation = add_attestation(blobs, found["digest"], b'{"statement": 1}')
    (root / "blobs/sha256").mkdir(parents=True)
    for name, data in blobs.data.items():
        (root / "blobs/sha256" / name).write_bytes(data)
    (root / "index.json").write_bytes(dump({"manifests": [found, attestation]}))
    (root / "oci-layout").write_text("{}")
    return root


@pytest.mark.parametrize("selector", ["", ":1"])
def test_a_layout_directory(tmp_path: Path, selector: str) -> None:
    reader = open_image(str(layout_directory(tmp_path / "layout", IMAGE)) + selector)
    image, listings = read(reader)
    assert reader.kind == "layout"
    assert [listings[layer.blob].diff_id for layer in image.layers] == [layer.diff_id for layer in image.layers]
    assert b'{"statement": 1}' in [data for _, data in reader.documents()]


def test_a_layout_s_links_do_not_lead_out(tmp_path: Path) -> None:
    root = layout_directory(tmp_path / "layout", IMAGE)
    blob = root / "blobs/sha256" / sha(gzipped(ONE))
    outside = tmp_path / "outside"
    blob.rename(outside)
    blob.symlink_to(outside)
    with pytest.raises(InputError, match=rf"{blob.name} is a symbolic link to outside of the layout"):
        open_image(str(root)).image()
    gone = root / "blobs/sha256" / sha(IMAGE.config)
    gone.rename(tmp_path / "configuration")
    gone.symlink_to(tmp_path / "configuration")
    with pytest.raises(InputError, match=rf"{gone.name} is a symbolic link to outside of the layout"):
        open_image(str(root)).image()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        pytest.param("", "no image given", id="nothing"),
        pytest.param("./nowhere.tar", "no such file", id="no-file"),
        pytest.param("nowhere.tar.gz", "no such file", id="archive-ending"),
        pytest.param("registry://", "no reference to an image", id="registry"),
    ],
)
def test_targets_that_are_nothing(target: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_image(target)


@pytest.mark.parametrize(
    ("target", "is_file"),
    [
        pytest.param("saved", False, id="an-image-called-like-the-archive"),
        pytest.param("only-a-file", True, id="archive-without-ending"),
        pytest.param("./saved", True, id="a-path"),
        pytest.param("app", False, id="a-web-application-has-a-manifest-too"),
        pytest.param("saved:1", False, id="a-selector-needs-a-path"),
        pytest.param("./saved:app:1", True, id="path-and-selector"),
        pytest.param("sub/saved.tar:app:1", True, id="ending-and-selector"),
        pytest.param("notes", False, id="a-file-that-is-no-archive"),
        pytest.param("./notes", True, id="but-a-path-is-meant"),
        pytest.param("folder", False, id="a-folder"),
        pytest.param("only-a-layout", True, id="a-layout"),
        pytest.param("layout", False, id="an-image-called-like-the-layout-itself"),
        pytest.param("layout:1", False, id="an-image-called-like-the-layout"),
        pytest.param("team/app:1", False, id="an-image"),
    ],
)
def test_what_is_a_file_and_what_an_image(
    target: str, is_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saved").write_bytes(legacy(IMAGE))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/saved.tar").write_bytes(legacy(IMAGE))
    (tmp_path / "notes").write_text("some words")
    (tmp_path / "folder").mkdir()
    layout_directory(tmp_path / "layout", IMAGE)
    layout_directory(tmp_path / "only-a-layout", IMAGE)
    (tmp_path / "only-a-file").write_bytes(legacy(IMAGE))
    (tmp_path / "app").mkdir()
    (tmp_path / "app/manifest.json").write_text('{"name": "an application", "icons": []}')
    monkeypatch.chdir(tmp_path)

    def engine(ref: str, *_: object) -> str:
        if ref.startswith("only-"):
            raise InputError(f"no image {ref}")
        return f"image {ref}"

    monkeypatch.setattr("imgscan.source.engine.open_engine_image", engine)
    opened: Any = None
    notes: list[str] = []
    with suppress(InputError):
        opened = open_image(target, note=notes.append)
    assert (opened == f"image {target}") is not is_file
    both = {"saved": "file", "layout": "folder"}.get(target)
    assert notes == ([f"{target} is the engine's image; the {both} of that name here is ./{target}"] if both else [])
    if hasattr(opened, "close"):
        opened.close()


def test_a_directory_that_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        open_image(str(tmp_path)).image()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        pytest.param(".", "imgscan build-report . builds", id="this-folder"),
        pytest.param("../project", "imgscan build-report ../project builds", id="a-path"),
        pytest.param("other project/", "imgscan build-report 'other project' builds", id="for-a-shell"),
        pytest.param("empty/", "docker save", id="nothing-to-build"),
        pytest.param("docker-archive:saved", "imgscan scan saved", id="as-skopeo-names-it"),
        pytest.param("docker-archive://sub/x.tar", "imgscan scan sub/x.tar", id="as-dive-names-it"),
        pytest.param("docker-archive:saved:app:1", "imgscan scan ./saved:app:1", id="an-image-of-it"),
        pytest.param("oci-archive:gone.tar", "", id="but-nothing-is-there"),
        pytest.param("sub/x:app:1", "imgscan scan ./sub/x:app:1", id="an-image-of-what-is-no-path"),
        pytest.param("containers-storage:x.tar", "podman save", id="podman-s-own-store"),
    ],
)
def test_what_to_run_instead(target: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    for root in (project, project / "other project"):
        root.mkdir()
        (root / "Dockerfile").write_text("FROM scratch")
    for folder in ("empty", "sub"):
        (project / folder).mkdir()
    for name in ("saved", "sub/x.tar", "sub/x"):
        (project / name).write_bytes(legacy(IMAGE))
    monkeypatch.chdir(project)
    with pytest.raises(InputError) as caught:
        open_image(target).image()
    assert said in caught.value.next_step
    assert bool(said) == bool(caught.value.next_step)


@pytest.mark.parametrize(
    ("target", "cause", "step"),
    [
        pytest.param("notes", "there are: note; the file of that name here is no archive", "docker pull", id="file"),
        pytest.param("project", "the folder of that name here holds no image", "imgscan build-report", id="project"),
        pytest.param("folder", "the folder of that name here holds no image", "docker pull", id="folder"),
    ],
)
def test_what_the_engine_has_not_but_the_folder_here(
    target: str, cause: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(ref: str, *_: object) -> None:
        raise InputError(f"no image {ref}", cause="there are: note" * (ref == "notes"), next_step=f"docker pull {ref}")

    (tmp_path / "notes").write_text("some words")
    for folder in ("folder", "project"):
        (tmp_path / folder).mkdir()
    (tmp_path / "project/Dockerfile").write_text("FROM scratch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imgscan.source.engine.open_engine_image", refuse)
    with pytest.raises(InputError, match=f"no image {target}") as caught:
        open_image(target)
    assert caught.value.cause.endswith(cause)
    assert caught.value.next_step.startswith(step)


def test_an_unreadable_archive_says_why(tmp_path: Path) -> None:
    path = tmp_path / "loop.tar"
    path.symlink_to(path)
    with pytest.raises(InputError, match=r"no such file|cannot be read"):
        open_image(str(path))


def test_zstd_archives_need_a_library(save: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("compression", "compression.zstd", "backports", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"backports\.zstd"):
        open_image(save(b"\x28\xb5\x2f\xfd" + bytes(50)))


class Failing(io.RawIOBase):
    """A file on a disk that fails half way."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(min(size, 700))
        if not data:
            raise OSError(5, "Input/output error")
        return data


def test_a_failing_disk_is_an_input_error() -> None:
    reader = OnePassReader(Failing(legacy(IMAGE)[:4000]), Asked(ref="x.tar"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be read"):
        read(reader)


@given(st.integers(0, 60_000), st.binary(min_size=1, max_size=8), st.sampled_from(sorted(LAYOUTS)))
def test_damaged_archives_raise_nothing_else(place: int, noise: bytes, layout: str) -> None:
    data = bytearray(LAYOUTS[layout](IMAGE))
    place %= len(data)
    data[place : place + len(noise)] = noise
    reader = OnePassReader(io.BytesIO(bytes(data)), Asked(ref="x.tar"))
    with suppress(InputError):
        read(reader)


@pytest.fixture(autouse=True)
def _nothing_is_left_open(tmp_path: Path) -> Iterator[None]:
    yield
    held = [str(found.readlink()) for found in Path("/proc/self/fd").iterdir() if found.is_symlink()]
    assert not [name for name in held if name.startswith(str(tmp_path))]


def test_an_engine_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineError("no engine answers")

    (tmp_path / "saved").write_bytes(legacy(IMAGE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imgscan.source.engine.open_engine_image", refuse)
    notes: list[str] = []
    with closing(open_image("saved", note=notes.append)) as reader:
        assert reader.kind == "archive"
    assert notes == ["saved is the file of that name here, not an image of the engine (no engine answers)"]


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        pytest.param("docker-daemon:app:1", "app:1", id="engine"),
        pytest.param("docker-daemon:1", "docker-daemon:1", id="an-image-of-that-name"),
        pytest.param("docker://Host.example/App:1", "registry://Host.example/App:1", id="registry"),
    ],
)
def test_names_as_skopeo_spells_them(target: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgscan.source.engine.open_engine_image", lambda ref, *_: ref)
    monkeypatch.setattr("imgscan.source.registry.open_registry_image", lambda ref, **_: ref)
    opened: Any = open_image(target)
    assert opened == meant


@pytest.mark.parametrize("folder", ["", "sub/"], ids=["beside", "below"])
@pytest.mark.parametrize("name", ["saved", "a file.tar", "saved.tar"])
def test_what_to_name_an_image_by_works(
    folder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / folder / name).write_bytes(bundle(IMAGE, OTHER))
    monkeypatch.chdir(tmp_path)
    with closing(open_image(f"./{folder}{name}")) as reader, pytest.raises(InputError) as caught:
        reader.image()
    (said,) = shlex.split(caught.value.next_step.partition(": ")[2].partition(" (")[0])
    with closing(open_image(said.replace("NAME:TAG", "app:1"))) as reader:
        assert len(reader.image().layers) == 3


@pytest.mark.parametrize("target", ["-:app:1", "stdin://app:1"])
def test_an_image_of_what_standard_input_brings(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(bundle(IMAGE, OTHER)))
    image, _ = read(open_image(target))
    assert len(image.layers) == 3


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        open_image("-")


def test_a_file_without_an_end() -> None:
    with pytest.raises(InputError, match="no image archive"):
        read(open_image("/proc/cpuinfo"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
@pytest.mark.parametrize("way", ["file", "one-pass"])
def test_data_behind_the_end_of_an_archive_are_told(way: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = pack(LAYOUTS["docker25"](IMAGE) + b"hidden" + bytes(700))
    path = tmp_path / "a"
    path.write_bytes(data)
    with closing(open_image(str(path)) if way == "file" else OnePassReader(io.BytesIO(data), Asked(ref="a"))) as reader:
        for blob in reader.blobs():
            list_layer(open_layer(blob.stream), ReadingSearch())
        assert [(note.where, note.reason) for note in reader.skipped()] == [
            ("archive", "6 bytes of data lie hidden behind the end of the archive")
        ]


@pytest.mark.parametrize("end", [b"", b"hidden"], ids=["holes", "data-behind-a-hole"])
def test_holes_behind_an_archive_are_not_read(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(LAYOUTS["docker25"](IMAGE))
        file.truncate(1 << 40)
        file.seek(0, io.SEEK_END)
        file.write(end)
    with closing(open_image(str(path))) as reader:
        assert reader.image().layers
        assert len(reader.skipped()) == bool(end)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_data_behind_compressed_data_are_told(pack: Callable[[bytes], bytes]) -> None:
    data = pack(LAYOUTS["docker25"](IMAGE)) + b"hidden"
    with closing(OnePassReader(io.BytesIO(data), Asked(ref="a"))) as reader:
        for blob in reader.blobs():
            list_layer(open_layer(blob.stream), ReadingSearch())
        assert [note.reason for note in reader.skipped()] == [
            "6 bytes of data lie hidden behind the end of the archive"
        ]


@pytest.mark.parametrize(
    ("config", "what"),
    [
        pytest.param(b"null", "is no configuration of an image", id="no-object"),
        pytest.param(b'{"config": {}, "rootfs": null}', "is no configuration of an image", id="no-layers"),
        pytest.param(b"{}", "holds artifacts, but no container image", id="empty-of-an-artifact"),
    ],
)
def test_a_broken_configuration_is_not_called_an_artifact(config: bytes, what: str, tmp_path: Path) -> None:
    name = f"{sha(config)}.json"
    entry = dump([{"Config": name, "RepoTags": [], "Layers": []}])
    path = tmp_path / "a.tar"
    path.write_bytes(archive(member(name.encode(), config), member(b"manifest.json", entry)))
    with closing(open_image(str(path))) as reader, pytest.raises(InputError, match=what):
        reader.image()


def test_an_index_whose_manifest_is_missing_is_told_as_such(tmp_path: Path) -> None:
    digest = "sha256:" + "0" * 64
    index = dump({"schemaVersion": 2, "manifests": [{"digest": digest, "size": 3}]})
    path = tmp_path / "a.tar"
    path.write_bytes(archive(member(b"index.json", index)))
    with closing(open_image(str(path))) as reader, pytest.raises(InputError) as caught:
        reader.image()
    assert "the index lists it, but its manifest is not there" in caught.value.cause
