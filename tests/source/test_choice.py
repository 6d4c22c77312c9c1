"""Which image of an archive is read, and what is told of the others: by name, digest, platform, in either of two lists."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imagemaker import (
    CONFIG_TYPE,
    MANIFEST_TYPE,
    OCI_LAYOUT,
    Blobs,
    Made,
    add_manifest,
    dump,
    gzipped,
    index_json,
    manifest_json,
    names_of,
    plain,
    save_entry,
    sha,
    small_layer,
)
from registries import faked
from tarmaker import archive, member

from imgscan.errors import InputError
from imgscan.source import open_image
from imgscan.source.platforms import own_platform

ONE, TWO = small_layer(b"one", b"1"), small_layer(b"two", b"2")
IMAGE, OTHER = Made(layers=(ONE,)), Made(layers=(TWO,))
ARM = Made(layers=(TWO,), architecture="arm64")
REF = "org.opencontainers.image.ref.name"
Save = Callable[..., str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(*parts: bytes) -> str:
        (tmp_path / "image.tar").write_bytes(archive(*parts))
        return str(tmp_path / "image.tar")

    return write


def told(target: str, **more: Any) -> tuple[str, list[str]]:
    """The file of the image that was read, and what was said of it."""
    with closing(open_image(target, **more)) as reader:
        names = {f"sha256:{sha(ONE)}": "one", f"sha256:{sha(TWO)}": "two"}
        return names[str(reader.image().layers[0].digest or reader.image().layers[0].diff_id)], [
            note.reason for note in reader.skipped()
        ]


def listing(saved: Made, *indexed: tuple[Made, Mapping[str, Any]], forged: Made | None = None) -> list[bytes]:
    """manifest.json with one image, index.json with others; `forged` has its layers listed for the saved one's."""
    blobs = Blobs()
    found = [add_manifest(blobs, image, plain, **more) for image, more in indexed]
    add_manifest(blobs, saved, plain)
    entry = save_entry(saved)
    if forged is not None:
        add_manifest(blobs, forged, plain)
        entry["Layers"] = save_entry(forged)["Layers"]
    return [blobs.members(), index_json(*found), manifest_json(entry), OCI_LAYOUT]


DIFFERENT = "manifest.json and index.json list different images"
AMD: dict[str, Any] = {"platform": {"os": "linux", "architecture": "amd64"}}
ARM_V6: dict[str, Any] = {"platform": {"os": "linux", "architecture": "arm", "variant": "v6"}}
ARM_TYPE: dict[str, Any] = {"platform": {"os": "linux", "architecture": "arm64"}}


@pytest.mark.parametrize(
    ("parts", "selector", "is_told"),
    [
        pytest.param(listing(IMAGE, (IMAGE, names_of(IMAGE))), "", False, id="the-same"),
        pytest.param(listing(IMAGE, (IMAGE, {}), (ARM, ARM_TYPE)), "", False, id="another-platform-besides"),
        pytest.param(listing(IMAGE, (OTHER, {})), "", True, id="another"),
        pytest.param(listing(IMAGE, (OTHER, AMD)), "", True, id="another-of-the-platform"),
        pytest.param(listing(IMAGE, (IMAGE, {}), (OTHER, {})), "", True, id="another-besides"),
        pytest.param(listing(IMAGE, (OTHER, names_of(IMAGE))), ":app:1", True, id="another-of-the-name"),
        pytest.param(listing(IMAGE, (OTHER, {})), ":app:1", False, id="the-name-tells-them-apart"),
        pytest.param(listing(IMAGE, (IMAGE, {}), forged=OTHER), "", True, id="one-configuration-other-layers"),
        pytest.param(
            listing(Made(layers=(), names=("app:1",)), (IMAGE, {})), "", True, id="one-without-layers-and-another"
        ),
    ],
)
def test_two_lists_that_differ_are_told(parts: list[bytes], selector: str, is_told: bool, save: Save) -> None:
    _, notes = told(save(*parts) + selector)
    assert [note[: len(DIFFERENT)] for note in notes] == [DIFFERENT] * is_told


def test_one_configuration_with_two_sets_of_layers_is_two_images(save: Save) -> None:
    blobs = Blobs()
    config = blobs.add(IMAGE.config, CONFIG_TYPE)
    found = []
    for name, layer in (("good", ONE), ("bad", TWO)):
        manifest = {"schemaVersion": 2, "config": config, "layers": [blobs.add(layer, "")]}
        found.append(blobs.add(dump(manifest), MANIFEST_TYPE, annotations={REF: name}))
    path = save(blobs.members(), index_json(*found))
    with pytest.raises(InputError, match="holds several images: good; bad"):
        told(path)
    assert [told(f"{path}:{name}")[0] for name in ("good", "bad")] == ["one", "two"]


def same_names(save: Save) -> tuple[str, list[str]]:
    blobs = Blobs()
    found = [add_manifest(blobs, image, plain, annotations={REF: "v1"}) for image in (IMAGE, OTHER)]
    return save(blobs.members(), index_json(*found)), [each["digest"] for each in found]


@pytest.mark.parametrize("form", [":{0}", ":v1@{0}", ":@{0}", ":{1}", ":@{1}"])
def test_images_of_one_name_are_told_apart_by_their_ids(form: str, save: Save) -> None:
    path, digests = same_names(save)
    with pytest.raises(InputError) as caught:
        told(f"{path}:v1")
    for digest, layer in zip(digests, ("one", "two"), strict=True):
        short = digest.partition(":")[2][:12]
        assert f"v1 ({short})" in caught.value.what
        assert told(path + form.format(digest, short))[0] == layer


@pytest.mark.parametrize("wrong", ["v2@{0}", "v1@sha256:" + "0" * 64, "@", "v1@"])
def test_a_name_and_a_digest_that_do_not_belong_together(wrong: str, save: Save) -> None:
    path, digests = same_names(save)
    with pytest.raises(InputError, match="holds no image"):
        told(f"{path}:{wrong.format(digests[0])}")


@pytest.mark.parametrize("stated", ["amd64", ""], ids=["configuration-says-another", "configuration-says-none"])
def test_the_index_s_word_on_platforms_counts_in_archives_and_registries(stated: str, save: Save) -> None:
    """`buildah manifest add --arch` leaves the configuration as it is."""
    blobs = Blobs()
    two = Made(layers=(TWO,), architecture=stated)
    found = [add_manifest(blobs, IMAGE, plain, **AMD), add_manifest(blobs, two, plain, **ARM_TYPE)]
    nested = blobs.add(dump({"schemaVersion": 2, "manifests": found}), "application/vnd.oci.image.index.v1+json")
    with faked(blobs, nested) as registry:
        for target in (save(blobs.members(), index_json(*found)), f"{registry}:1"):
            assert told(target, platform="linux/arm64")[0] == "two"
            assert told(target, platform="linux/amd64")[0] == "one"
            with closing(open_image(target, platform="linux/arm64")) as reader:
                assert reader.image().platform == "linux/arm64"


S390X: dict[str, Any] = {"platform": {"os": "linux", "architecture": "s390x"}}


def of_platforms(*platforms: Mapping[str, Any]) -> tuple[Blobs, list[dict[str, Any]]]:
    """An image for each platform, the first one this machine's."""
    own = {"platform": {"os": "linux", "architecture": own_platform().architecture}}
    blobs = Blobs()
    made = (
        Made(layers=(ONE if more is own else TWO,), architecture=more["platform"]["architecture"])
        for more in (own, *platforms)
    )
    return blobs, [
        add_manifest(blobs, image, plain, **more) for image, more in zip(made, (own, *platforms), strict=True)
    ]


@pytest.mark.parametrize(
    ("platforms", "unchosen"),
    [
        pytest.param([S390X], ("linux/s390x",), id="one"),
        pytest.param([S390X, ARM_V6], ("linux/s390x", "linux/arm/v6"), id="two"),
        pytest.param([], (), id="none"),
    ],
)
@pytest.mark.parametrize("way", ["archive", "registry"])
def test_platforms_that_nobody_chose_are_told(
    way: str, platforms: list[Any], unchosen: tuple[str, ...], save: Save, report: Callable[..., dict[str, Any]]
) -> None:
    blobs, found = of_platforms(*platforms)
    nested = blobs.add(dump({"schemaVersion": 2, "manifests": found}), "application/vnd.oci.image.index.v1+json")
    with faked(blobs, nested) as registry:
        target = f"{registry}:1" if way == "registry" else save(blobs.members(), index_json(*found))
        with closing(open_image(target)) as reader:
            assert reader.image().unchosen == unchosen
            assert reader.skipped() == ()
        with closing(open_image(target, platform=str(own_platform()))) as reader:
            assert reader.image().unchosen == (), "it was chosen"
        written = report(target)
        assert written["complete"] is True
        said = [note for note in written["notes"] if "--platform" in note]
        assert len(said) == bool(unchosen)
        assert all(platform in note for note in said for platform in unchosen)


STATEMENT = b'{"critical": "the statement"}'


def signature(blobs: Blobs, config: Any = None, layer: str = "", **more: Any) -> dict[str, Any]:
    """A signature as cosign writes it: with a configuration like an image's."""
    like = {"os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(STATEMENT)}"]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blobs.add(dump(like), config or CONFIG_TYPE),
        "layers": [blobs.add(STATEMENT, layer or "application/vnd.dev.cosign.simplesigning.v1+json")],
        **more.pop("says", {}),
    }
    return blobs.add(dump(manifest), MANIFEST_TYPE, **more)


ARTIFACTS: list[Any] = [
    pytest.param({}, id="cosign-by-its-layers"),
    pytest.param({"layer": "x", "annotations": {"kind": "dev.cosignproject.cosign/sigs"}}, id="cosign-by-its-mark"),
    pytest.param({"layer": "application/vnd.dsse.envelope.v1+json"}, id="attestation"),
    pytest.param({"layer": "x", "config": "application/vnd.oci.empty.v1+json"}, id="empty-configuration"),
]


@pytest.mark.parametrize("made", ARTIFACTS)
def test_a_signature_alone_is_no_image(made: dict[str, Any], save: Save) -> None:
    blobs = Blobs()
    found = signature(blobs, **made)
    with pytest.raises(InputError, match="holds artifacts, but no container image"):
        told(save(blobs.members(), index_json(found)))
    if "annotations" not in made:
        with faked(blobs, found) as registry, pytest.raises(InputError, match="an artifact, but no container image"):
            told(f"{registry}:1")


SUBJECT = {"layer": "x/y", "config": "x/y", "says": {"subject": {"digest": "{0}"}}}


@pytest.mark.parametrize("made", [*ARTIFACTS, pytest.param(SUBJECT, id="by-its-subject")])
def test_what_lies_beside_an_image_is_searched_with_it(made: dict[str, Any], save: Save) -> None:
    blobs = Blobs()
    image = add_manifest(blobs, IMAGE, plain)
    if "says" in made:
        made = {**made, "says": {"subject": {"digest": image["digest"]}}}
    found = signature(blobs, **made)
    path = save(blobs.members(), index_json(image, found), OCI_LAYOUT)
    with closing(open_image(path)) as reader:
        assert STATEMENT in [data for _, data in reader.documents()]
        assert reader.skipped() == ()


@pytest.mark.parametrize("pack", [plain, gzipped], ids=["seek", "stream"])
def test_what_is_attached_and_cannot_be_searched_is_told(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    blobs = Blobs()
    image = add_manifest(blobs, IMAGE, plain)
    large = blobs.add(gzipped(b"1") + b"\1" * (17 << 20), "application/spdx+json")
    about = {"subject": {"digest": image["digest"]}, "config": blobs.add(b"{}", "x/y"), "layers": [large]}
    sbom = blobs.add(dump({"schemaVersion": 2, **about}), MANIFEST_TYPE)
    path = tmp_path / "image.tar"
    path.write_bytes(pack(archive(blobs.members(), index_json(image, sbom))))
    with closing(open_image(str(path))) as reader:
        for _ in reader.blobs():
            pass
        assert ["not searched" in note.reason for note in reader.skipped()] == [True]


def test_annotations_of_an_index_are_searched(save: Save) -> None:
    blobs = Blobs()
    inner = add_manifest(blobs, IMAGE, plain, annotations={"note": "of the inner index"})
    index_type = "application/vnd.oci.image.index.v1+json"
    nested = blobs.add(dump({"schemaVersion": 2, "manifests": [inner]}), index_type, annotations={"note": "outer"})
    path = save(blobs.members(), index_json(nested), member(b"oci-layout", b"{}"))
    with faked(blobs, nested) as registry:
        for target, notes in ((path, (b"outer", b"of the inner index")), (f"{registry}:1", (b"of the inner index",))):
            with closing(open_image(target)) as reader:
                text = b"".join(data for _, data in reader.documents())
                assert all(note in text for note in notes)


def hashed_by(algorithm: str, damaged: bytes = b"") -> list[bytes]:
    """A layout whose blobs are named by an algorithm; `damaged` takes the place of the layer."""
    files: dict[str, bytes] = {}

    def add(data: bytes, kind: str, stored: bytes = b"") -> dict[str, Any]:
        digest = hashlib.new(algorithm, data).hexdigest()
        files[f"blobs/{algorithm}/{digest}"] = stored or data
        return {"mediaType": kind, "digest": f"{algorithm}:{digest}", "size": len(data)}

    layer = add(gzipped(ONE), "application/vnd.oci.image.layer.v1.tar+gzip", damaged)
    manifest = {"schemaVersion": 2, "config": add(IMAGE.config, CONFIG_TYPE), "layers": [layer]}
    index = index_json(add(dump(manifest), MANIFEST_TYPE))
    # The names may be longer than a plain header has room for.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        end = tar.offset
    return [packed.getvalue()[:end], index, OCI_LAYOUT]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("way", ["file", "stream", "folder"])
def test_layouts_of_every_algorithm_are_verified(
    algorithm: str, way: str, tmp_path: Path, report: Callable[..., dict[str, Any]]
) -> None:
    def scan(parts: list[bytes]) -> list[str]:
        path = tmp_path / "image.tar"
        data = archive(*parts)
        path.write_bytes(gzipped(data) if way == "stream" else data)
        if way == "folder":
            with tarfile.open(path) as tar:
                tar.extractall(tmp_path / "layout", filter="data")
            path = tmp_path / "layout"
        return [note["reason"] for note in report(str(path))["skipped"]]

    assert scan(hashed_by(algorithm)) == []
    other = gzip.compress(ONE, 1, mtime=1)
    notes = scan(hashed_by(algorithm, other))
    assert [f"says: it is {algorithm}:{hashlib.new(algorithm, other).hexdigest()}" in note for note in notes] == [True]
