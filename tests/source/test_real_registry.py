"""Images in a real registry: public and private, for several platforms, over bad connections, and what is no image."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from imagemaker import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    OCI_LAYOUT,
    Blobs,
    Made,
    add_attestation,
    add_manifest,
    dump,
    gzipped,
    index_json,
    sha,
)
from registries import CuttingProxy, Pusher, TokenIssuer, htpasswd, running
from registryimages import (
    BASIC,
    IMAGE,
    NOISE,
    ONE,
    PASSWORD,
    STATEMENT,
    TWO,
    USER,
    content,
    multi,
    opened,
    push_one,
    read,
    refused,
)
from tarmaker import archive
from webserver import serving

from imgscan.errors import InputError
from imgscan.source.platforms import own_platform, parse_platform
from imgscan.source.registry import open_registry_image

pytestmark = [pytest.mark.registry, pytest.mark.usefixtures("no_logins")]
Scan = Callable[..., dict[str, Any]]
ARCHITECTURES = ("amd64", "arm64", "arm/v6", "arm/v7")


def log_in(tmp_path: Path, host: str, password: str = PASSWORD) -> None:
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (tmp_path / "docker").mkdir(exist_ok=True)
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("public")) as host:
        yield host


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("private")
    with running(folder, htpasswd(folder, USER, PASSWORD)) as host:
        push_one(Pusher(host, "team/app", BASIC), IMAGE)
        yield host


def test_a_public_image(public: str) -> None:
    _, top = push_one(Pusher(public, "a/public"), IMAGE)
    for name in (":1", f"@{top['digest']}", f":other@{top['digest']}"):
        reader = opened(f"registry://{public}/a/public{name}")
        image, listings = read(reader)
        assert (reader.kind, reader.skipped()) == ("registry", ())
        assert image.image_id == f"sha256:{sha(IMAGE.config)}"
        assert image.digest == top["digest"]
        assert (image.platform, image.config.env) == ("linux/amd64", ("A=1",))
        for layer, pushed in zip(image.layers, IMAGE.layers, strict=True):
            assert layer.diff_id == listings[layer.blob].diff_id == f"sha256:{sha(pushed)}"
            assert layer.digest == listings[layer.blob].digest
        assert len(listings) == 2


def test_streams_may_be_read_in_any_order_and_not_at_all(public: str) -> None:
    push_one(Pusher(public, "a/order"), IMAGE)
    with closing(opened(f"registry://{public}/a/order:1")) as reader:
        assert len(reader.image().layers) == 3
        assert len(reader.documents()) == 1
        first, second = reader.blobs()
        head = second.stream.read(10)
        assert gzip.decompress(first.stream.read(1 << 20)) == ONE
        assert gzip.decompress(head + second.stream.read(1 << 20)) == TWO


@pytest.mark.parametrize("image", [IMAGE, Made(layers=(ONE, NOISE))], ids=["small", "large"])
def test_the_same_report_as_of_the_saved_layout(image: Made, public: str, tmp_path: Path, report: Scan) -> None:
    blobs, top = push_one(Pusher(public, "a/same"), image)
    saved = tmp_path / "image.tar"
    saved.write_bytes(archive(OCI_LAYOUT, index_json(top), blobs.members()))
    fetched = report(f"registry://{public}/a/same:1")
    assert fetched["target"]["digest"] == top["digest"]
    assert {**fetched, "target": None} == {**report(str(saved)), "target": None}
    assert (fetched["complete"], fetched["target"]["kind"]) == (True, "registry")


def test_a_private_image(private: str, tmp_path: Path) -> None:
    log_in(tmp_path, private)
    image, listings = read(opened(f"registry://{private}/team/app:1"))
    assert {listing.diff_id for listing in listings.values()} == {layer.diff_id for layer in image.layers}


@pytest.mark.parametrize(
    ("password", "cause"),
    [pytest.param("wrong", "config.json is wrong", id="wrong"), pytest.param(None, "no login for", id="none")],
)
def test_a_private_image_without_the_password(password: str | None, cause: str, private: str, tmp_path: Path) -> None:
    if password is not None:
        log_in(tmp_path, private, password)
    code, said = refused(f"registry://{private}/team/app:1")
    assert code == 3
    assert cause in said
    assert f"docker login {private}" in said


@contextmanager
def token_registry(folder: Path, **more: Any) -> Iterator[tuple[str, TokenIssuer]]:
    issuer = TokenIssuer(folder, USER, PASSWORD, **more)
    with serving(issuer.respond) as tokens, running(folder, issuer.auth(f"http://{tokens.host}/token")) as host:
        yield host, issuer


def test_token_authentication(tmp_path: Path) -> None:
    with token_registry(tmp_path) as (host, issuer):
        for repository in ("team/app", "public/app"):
            token = issuer.token([f"repository:{repository}:pull,push"])
            push_one(Pusher(host, repository, {"Authorization": f"Bearer {token}"}), IMAGE)
        assert len(read(opened(f"registry://{host}/public/app:1"))[1]) == 2
        assert refused(f"registry://{host}/team/app:1")[0] == 3
        log_in(tmp_path, host, "wrong")
        code, said = refused(f"registry://{host}/team/app:1")
        assert (code, f"docker login {host}" in said) == (3, True)
        log_in(tmp_path, host)
        assert len(read(opened(f"registry://{host}/team/app:1"))[1]) == 2
    assert set(issuer.scopes) == {"repository:public/app:pull", "repository:team/app:pull"}


def test_a_token_that_expires_in_the_middle_of_a_long_layer(tmp_path: Path) -> None:
    """The registry takes tokens for a minute longer than they say; these are good for two seconds of it, or one: they
    count in whole ones. What is cut later than that is resumed with a token that was asked for anew."""
    with token_registry(tmp_path) as (host, issuer):
        token = issuer.token(["repository:team/app:pull,push"])
        push_one(Pusher(host, "team/app", {"Authorization": f"Bearer {token}"}), Made(layers=(ONE, NOISE)))
        proxy = CuttingProxy(host, 600_000)
        try:
            log_in(tmp_path, proxy.host)
            issuer.lifetime_s = -58
            reader = open_registry_image(f"registry://{proxy.host}/team/app:1", bytes_per_s=240_000)
            asked = len(issuer.scopes)
            _, listings = read(reader)
        finally:
            proxy.close()
    assert f"sha256:{sha(NOISE)}" in {listing.diff_id for listing in listings.values()}
    assert reader.skipped() == ()
    assert proxy.cuts >= 2
    assert len(issuer.scopes) - asked >= 2


@pytest.mark.parametrize("nested", [False, True], ids=["index", "nested"])
@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux/amd64", b"amd64"),
        ("linux/arm64", b"arm64"),
        ("linux/aarch64/v8", b"arm64"),
        ("linux/arm", b"arm/v7"),
        ("linux/arm/v6", b"arm/v6"),
    ],
)
def test_one_of_several_platforms(platform: str, expected: bytes, nested: bool, public: str) -> None:
    blobs, index = multi(*ARCHITECTURES, nested=nested)
    Pusher(public, "multi/named").push(blobs, index, "1")
    reader = opened(f"registry://{public}/multi/named:1", platform=parse_platform(platform))
    assert reader.image().digest == index["digest"]
    assert content(reader) == expected


def test_this_machines_platform_is_the_default(public: str) -> None:
    own = str(own_platform()).removeprefix("linux/")
    blobs, index = multi(own, "s390x" if own != "s390x" else "riscv64")
    Pusher(public, "multi/own").push(blobs, index, "1")
    assert content(opened(f"registry://{public}/multi/own:1")) == own.encode()


def test_an_index_that_names_no_platforms(public: str) -> None:
    blobs, index = multi("s390x", "riscv64", named=False)
    Pusher(public, "multi/unnamed").push(blobs, index, "1")
    target = f"registry://{public}/multi/unnamed:1"
    assert content(opened(target, platform=parse_platform("linux/riscv64"))) == b"riscv64"


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_a_platform_that_is_not_there(named: bool, public: str) -> None:
    blobs, index = multi("riscv64", "s390x", named=named)
    Pusher(public, "multi/none").push(blobs, index, "1")
    code, said = refused(f"registry://{public}/multi/none:1", platform=parse_platform("linux/ppc64le"))
    assert code == 2
    assert "linux/riscv64, linux/s390x" in said
    assert "--platform linux/riscv64" in said


def test_a_single_image_of_another_platform(public: str) -> None:
    """Asked for by name, it is what there is; asked for by platform, it is not."""
    other = "s390x" if own_platform().architecture != "s390x" else "riscv64"
    blobs, index = multi(other)
    Pusher(public, "multi/single").push(blobs, index, "index")
    push_one(Pusher(public, "multi/single"), Made(layers=(ONE,), architecture=other), "plain")
    for tag in ("index", "plain"):
        with closing(opened(f"registry://{public}/multi/single:{tag}")) as reader:
            assert reader.image().platform == f"linux/{other}"
        with pytest.raises(InputError, match="has no image for linux/386"):
            opened(f"registry://{public}/multi/single:{tag}", platform=parse_platform("linux/386"))


def test_attestations_are_documents_of_the_image_they_are_about(public: str, tmp_path: Path, report: Scan) -> None:
    blobs, index = multi("amd64", "arm64", attested=True)
    Pusher(public, "attested/app").push(blobs, index, "1")
    with closing(opened(f"registry://{public}/attested/app:1", platform=parse_platform("linux/arm64"))) as reader:
        documents = dict(reader.documents())
        assert reader.skipped() == ()
    assert STATEMENT + b"arm64" in documents.values()
    assert STATEMENT + b"amd64" not in documents.values()
    path = tmp_path / "image.tar"
    path.write_bytes(archive(OCI_LAYOUT, index_json(index), blobs.members()))
    fetched = report(f"registry://{public}/attested/app:1", platform="linux/arm64")
    saved = report(str(path), platform="linux/arm64")
    assert {**fetched, "target": None} == {**saved, "target": None}


def test_a_secret_in_an_attestation(public: str, report: Scan) -> None:
    key = "AKIA" + "Z7QX4JM2P6RT" + "VB3N"
    blobs = Blobs()
    found = add_manifest(blobs, Made(layers=(ONE,)), gzipped, platform={"os": "linux", "architecture": "amd64"})
    statement = dump({"predicate": {"buildDefinition": {"build-arg:AWS_ACCESS_KEY_ID": key}}})
    listed = [found, add_attestation(blobs, found["digest"], statement)]
    index = blobs.add(dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}), INDEX_TYPE)
    Pusher(public, "attested/leaky").push(blobs, index, "1")
    found_report = report(f"registry://{public}/attested/leaky:1")
    secret = [item for item in found_report["findings"] if item["rule_id"].startswith("secret-")]
    assert {item["location"]["place"] for item in secret} == {"attestation"}
    assert key not in str(found_report)


def test_what_refers_to_an_image_is_a_document_too(public: str) -> None:
    """The registry has no referrers API: the tag that stands in for it is read (distribution spec 1.1)."""
    pusher = Pusher(public, "referred/app")
    _, top = push_one(pusher, IMAGE)
    bom = b'{"bomFormat": "CycloneDX"}'
    blobs = Blobs()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": "application/vnd.cyclonedx+json",
        "config": blobs.add(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [blobs.add(bom, "application/vnd.cyclonedx+json")],
        "subject": top,
    }
    referrer = blobs.add(dump(manifest), MANIFEST_TYPE)
    index = blobs.add(dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [referrer]}), INDEX_TYPE)
    pusher.push(blobs, index, top["digest"].replace(":", "-"))
    with closing(opened(f"registry://{public}/referred/app:1")) as reader:
        assert bom in dict(reader.documents()).values()
        assert reader.skipped() == ()


def test_a_missing_tag(public: str) -> None:
    push_one(Pusher(public, "a/tagged"), IMAGE, "release-1.2")
    code, said = refused(f"registry://{public}/a/tagged:release-1.3")
    assert code == 2
    assert "similar tags: release-1.2" in said
    assert f"registry://{public}/a/tagged:release-1.2" in said
    code, said = refused(f"registry://{public}/a/tagged:zzz")
    assert (code, "has the tags release-1.2" in said) == (2, True)
    assert refused(f"registry://{public}/a/nothing:1")[0] == 2
    assert refused(f"registry://{public}/a/tagged@sha256:{'0' * 64}")[0] == 2


def test_an_artifact_is_no_image(public: str) -> None:
    blobs = Blobs()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blobs.add(b'{"name": "chart"}', "application/vnd.cncf.helm.config.v1+json"),
        "layers": [blobs.add(b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    }
    Pusher(public, "charts/app").push(blobs, blobs.add(dump(manifest), MANIFEST_TYPE), "1")
    code, said = refused(f"registry://{public}/charts/app:1")
    assert (code, "helm" in said) == (2, True)


@pytest.fixture
def cutting(public: str) -> Iterator[Callable[[int], CuttingProxy]]:
    made: list[CuttingProxy] = []

    def make(limit: int) -> CuttingProxy:
        made.append(CuttingProxy(public, limit))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def test_a_connection_that_is_cut_half_way_is_resumed(
    cutting: Callable[[int], CuttingProxy], public: str, tmp_path: Path
) -> None:
    image = Made(layers=(ONE, NOISE))
    push_one(Pusher(public, "cut/app"), image)
    proxy = cutting(700_000)
    through = opened(f"registry://{proxy.host}/cut/app:1")
    found, listings = read(through)
    assert proxy.cuts >= 2
    assert through.skipped() == ()
    for layer, expected in zip(found.layers, image.layers, strict=True):
        assert listings[layer.blob].diff_id == f"sha256:{sha(expected)}"
        assert listings[layer.blob].digest == layer.digest


def test_a_connection_that_is_always_cut_is_an_error(cutting: Callable[[int], CuttingProxy], public: str) -> None:
    push_one(Pusher(public, "cut/app"), Made(layers=(ONE, NOISE)))
    proxy = cutting(20_000)
    code, said = refused(f"registry://{proxy.host}/cut/app:1")
    assert (code, "could not be read while reading the layer" in said) == (3, True)
