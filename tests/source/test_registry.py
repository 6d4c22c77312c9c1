"""Registries that say what they should not: manifests, layers and certificates that are none."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imagemaker import INDEX_TYPE, OCI_LAYOUT, Blobs, Made, add_manifest, dump, gzipped, index_json, sha
from registries import StaticRegistry, faked, make_certificate
from registryimages import IMAGE, ONE, STATEMENT, TWO, exhaust, image_with, multi, opened, read, refused, top_of
from tarmaker import archive
from webserver import Asked, Reply, serving

from imgscan.errors import InputError
from imgscan.source import open_image

pytestmark = pytest.mark.usefixtures("no_logins")
Scan = Callable[..., dict[str, Any]]


def test_platforms_of_archives(tmp_path: Path) -> None:
    blobs, index = multi("amd64", "arm64")
    path = tmp_path / "image.tar"
    data = archive(OCI_LAYOUT, index_json(index), blobs.members())
    for stored in (data, gzipped(data)):
        path.write_bytes(stored)
        for architecture in ("amd64", "arm64"):
            assert exhaust(open_image(str(path), platform=f"linux/{architecture}")) == f"linux/{architecture}"
        with pytest.raises(InputError, match="no image for linux/s390x") as caught:
            exhaust(open_image(str(path), platform="linux/s390x"))
        assert "linux/amd64, linux/arm64" in caught.value.cause


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(top_of({"schemaVersion": 1, "fsLayers": []}), "schema 1", id="schema-1"),
        pytest.param(top_of(b"{<"), "not valid JSON", id="no-json"),
        pytest.param(top_of(b"<!DOCTYPE html>"), "not valid JSON, but a web page", id="a-login-page"),
        pytest.param(top_of(b"[" * 200_000), "nested too deeply|not valid JSON", id="deep"),
        pytest.param(top_of(b" " * (17 << 20)), "larger than", id="too-large"),
        pytest.param(top_of({}), "no container image", id="nothing"),
        pytest.param(top_of({"artifactType": "x/y", "blobs": []}), "no container image", id="old-artifact"),
        pytest.param(top_of({"manifests": [], "layers": []}), "image and an index at once", id="ambiguous"),
        pytest.param(top_of({"manifests": []}), "lists no image", id="empty-index"),
        pytest.param(top_of({"manifests": [{"digest": "sha256:" + "1" * 64}]}), "does not have", id="index-of-nothing"),
        pytest.param(top_of({"config": {}, "layers": []}), "does not have its configuration", id="no-config"),
        pytest.param(image_with(digest="md5:" + "0" * 32), "no digest", id="unknown-digest"),
        pytest.param(image_with(digest="sha256:../../x"), "no digest", id="path-for-a-digest"),
        pytest.param(image_with(size=-1), "no size", id="negative-size"),
        pytest.param(image_with(size="5"), "no size", id="size-is-text"),
        pytest.param(image_with(size=True), "no size", id="size-is-true"),
        pytest.param(image_with(size=1 << 62), "no size", id="absurd-size"),
    ],
)
def test_manifests_that_are_none(made: tuple[Blobs, Any], said: str) -> None:
    with faked(*made) as target, pytest.raises(InputError, match=said):
        opened(f"{target}:1")


def test_indexes_without_end() -> None:
    blobs = Blobs()
    top = add_manifest(blobs, IMAGE, gzipped)
    for _ in range(20):
        top = blobs.add(dump({"schemaVersion": 2, "manifests": [top]}), INDEX_TYPE)
    with faked(blobs, top) as target, pytest.raises(InputError, match="nested too deeply"):
        opened(f"{target}:1")


def test_a_manifest_that_is_not_the_digests() -> None:
    blobs, top = image_with()
    name = top["digest"].partition(":")[2]
    changed = faked(blobs, top, **{name: blobs.data[name] + b" "})
    with changed as target, pytest.raises(InputError, match="another manifest"):
        opened(f"{target}@{top['digest']}")


def test_a_configuration_that_is_not_the_digests() -> None:
    blobs, top = image_with()
    config = sha(Made(layers=(ONE,)).config)
    changed = faked(blobs, top, **{config: Made(layers=(TWO,)).config})
    with changed as target, pytest.raises(InputError, match="sent something else"):
        opened(f"{target}:1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda data: data[:-9] + bytes(9), "gzip data", id="damaged"),
        pytest.param(lambda data: data[:-4], "103 of the 107 bytes that the manifest says", id="shorter"),
        pytest.param(lambda data: data + data, "more than the 107 bytes that the manifest says", id="longer"),
        pytest.param(lambda data: data[:4] + b"\1" + data[5:], "not what its digest", id="another-layer"),
    ],
)
def test_a_layer_that_is_not_the_digests(change: Callable[[bytes], bytes], said: str, report: Scan) -> None:
    blobs, top = image_with()
    layer = gzipped(ONE)
    assert len(layer) == 107
    with faked(blobs, top, **{sha(layer): change(layer)}) as target:
        found = report(f"{target}:1")
    assert found["complete"] is False
    assert said in " ".join(item["reason"] for item in found["skipped"])


def test_layers_that_lie_elsewhere_are_not_fetched(report: Scan) -> None:
    with serving(lambda asked: Reply(body=b"")) as elsewhere:
        blobs, top = image_with(urls=[f"http://{elsewhere.host}/layer"], size=77_777)
        with faked(blobs, top) as target:
            found = report(f"{target}:1")
    assert elsewhere.asked == []
    assert found["complete"] is False
    assert "77,777" in " ".join(item["reason"] for item in found["skipped"])


def test_a_layer_that_the_registry_lost() -> None:
    blobs, top = image_with()
    del blobs.data[sha(gzipped(ONE))]
    with faked(blobs, top) as target:
        code, said = refused(f"{target}:1")
    assert (code, "does not have the layer" in said) == (2, True)


def test_attachments_of_a_registry_that_fails_are_given_up_together() -> None:
    blobs, index = multi("amd64", attested=True)
    known = StaticRegistry(blobs, index)
    statement = sha(STATEMENT + b"amd64")
    failing = [name for name, data in blobs.data.items() if name == statement or statement.encode() in data]

    def respond(asked: Asked) -> Reply:
        return Reply(status=503) if any(name in asked.path for name in failing) else known.respond(asked)

    with serving(respond) as server, closing(opened(f"registry://{server.host}/app:1")) as reader:
        (note,) = reader.skipped()
    assert "not asked for" in note.reason
    assert len([path for path in server.paths() if any(name in path for name in failing)]) == 6


def test_the_tags_that_a_hostile_registry_lists() -> None:
    tags = dump({"tags": ["x" * 100_000, "\x1b[2J", *(f"t{number}" for number in range(100_000))]})
    respond = lambda asked: Reply(body=tags) if asked.path.endswith("/tags/list") else Reply(status=404)  # noqa: E731
    with serving(respond) as server:
        code, said = refused(f"registry://{server.host}/app:t12")
    assert (code, "similar tags: t12" in said) == (2, True)


def test_what_is_attached_may_be_broken() -> None:
    """A missing or oversized attestation leaves the scan incomplete and ends nothing."""
    blobs, index = multi("amd64", attested=True)
    statement = sha(STATEMENT + b"amd64")
    for change in ({statement: b"other"}, {statement: b" " * (17 << 20)}):
        with faked(blobs, index, **change) as target, closing(opened(f"{target}:1")) as reader:
            assert len(reader.skipped()) == 1
    del blobs.data[statement]
    with faked(blobs, index) as target, closing(opened(f"{target}:1")) as reader:
        assert "does not have this attestation" in reader.skipped()[0].reason


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.pem"
    make_certificate(key, certificate, "registry", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


@pytest.mark.registry
def test_tls(tls: tuple[ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = tls
    with serving(StaticRegistry(*image_with()).respond, context) as server:
        target = f"registry://{server.host}/app:1"
        code, said = refused(target)
        assert (code, "certificate" in said) == (3, True)
        assert f"--insecure-registry {server.host}" in said
        assert refused(target, insecure_hosts=["r.example:1"])[0] == 3
        assert len(read(opened(target, insecure_hosts=[server.host]))[1]) == 1
        folder = tmp_path / "certs.d" / server.host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(certificate.read_bytes())
        assert len(read(opened(target, certs_dirs=[tmp_path / "certs.d"]))[1]) == 1
        (folder / "ca.crt").write_text("no certificate")
        assert refused(target, certs_dirs=[tmp_path / "certs.d"])[0] == 2
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert len(read(opened(target))[1]) == 1


@pytest.mark.registry
def test_tls_with_a_client_certificate(tls: tuple[ssl.SSLContext, Path], tmp_path: Path) -> None:
    context, certificate = tls
    key, mine = tmp_path / "client.key", tmp_path / "client.cert"
    make_certificate(key, mine, "client")
    context.load_verify_locations(mine)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(StaticRegistry(*image_with()).respond, context) as server:
        target = f"registry://{server.host}/app:1"
        folder = tmp_path / "certs.d" / server.host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(certificate.read_bytes())
        assert refused(target, certs_dirs=[tmp_path / "certs.d"])[0] == 3
        for path in (key, mine):
            path.rename(folder / path.name)
        assert len(read(opened(target, certs_dirs=[tmp_path / "certs.d"]))[1]) == 1


def test_hosts_that_may_be_insecure_are_checked() -> None:
    assert refused("registry://r.example/app", insecure_hosts=["http://r.example"])[0] == 2
