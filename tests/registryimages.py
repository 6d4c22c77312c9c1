"""Images for registries: what is pushed, how it is read, and how reading it fails."""

from __future__ import annotations

import base64
import gzip
import random
from contextlib import closing
from typing import Any

import pytest
from imagemaker import INDEX_TYPE, MANIFEST_TYPE, Blobs, Made, add_attestation, add_manifest, dump, gzipped, small_layer
from registries import Pusher
from tarmaker import archive, directory, member

from imgscan.errors import ImgscanError
from imgscan.layers.blob import open_layer
from imgscan.layers.listing import LayerListing, list_layer
from imgscan.source import Image, ImageReader
from imgscan.source.backoff import Effects
from imgscan.source.registry import open_registry_image

USER, PASSWORD = "us" + "er", "pass" + "word" + "-3"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
ONE, TWO = small_layer(b"passwd", b"root"), small_layer(b"hosts", b"127.0.0.1 localhost")
NOISE = archive(directory(b"app/"), member(b"app/noise", random.Random(3).randbytes(1_500_000)))
IMAGE = Made(layers=(ONE, TWO, ONE), settings={"Env": ["A=1"], "User": "app"})
QUICK = Effects(sleep=lambda _: None)
STATEMENT = b'{"predicateType": "https://slsa.dev/provenance/v1", "predicate": {}}'


def push_one(pusher: Pusher, image: Made, tag: str = "1") -> tuple[Blobs, dict[str, Any]]:
    blobs = Blobs()
    top = add_manifest(blobs, image, gzipped)
    pusher.push(blobs, top, tag)
    return blobs, top


def read(reader: ImageReader) -> tuple[Image, dict[str, LayerListing]]:
    with closing(reader):
        return reader.image(), {blob.name: list_layer(open_layer(blob.stream)) for blob in reader.blobs()}


def exhaust(reader: ImageReader) -> str | None:
    """The platform, known at the latest after the last layer."""
    with closing(reader):
        for blob in reader.blobs():
            list_layer(open_layer(blob.stream))
        return reader.image().platform


def opened(target: str, **more: Any) -> ImageReader:
    return open_registry_image(target, effects=QUICK, **more)


def refused(target: str, **more: Any) -> tuple[int, str]:
    """The exit code and the words of the error that reading the image ends in."""
    with pytest.raises(ImgscanError) as caught:
        read(opened(target, **more))
    error = caught.value
    words = f"{error.what} {error.cause} {error.next_step}"
    assert PASSWORD not in words
    return error.exit_code, words


def multi(*architectures: str, attested: bool = False, nested: bool = False, named: bool = True) -> tuple[Blobs, Any]:
    """An index of images that differ in their second layer."""
    blobs = Blobs()
    listed = []
    for architecture in architectures:
        name, _, variant = architecture.partition("/")
        image = Made(layers=(ONE, small_layer(b"arch", architecture.encode())), architecture=name)
        platform = {"os": "linux", "architecture": name} | ({"variant": variant} if variant else {})
        found = add_manifest(blobs, image, gzipped, **({"platform": platform} if named else {}))
        listed.append(found)
        if attested:
            listed.append(add_attestation(blobs, found["digest"], STATEMENT + architecture.encode()))
    index = blobs.add(dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}), INDEX_TYPE)
    if nested:
        index = blobs.add(dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [index]}), INDEX_TYPE)
    return blobs, index


def content(reader: ImageReader) -> bytes:
    """What the second layer holds."""
    with closing(reader):
        *_, last = reader.blobs()
        return gzip.decompress(last.stream.read(1 << 20))[1024:1100].rstrip(b"\0")


def image_with(**layer: Any) -> tuple[Blobs, dict[str, Any]]:
    """An image whose one layer has other fields in its descriptor."""
    blobs = Blobs()
    descriptor = {**blobs.add(gzipped(ONE), "application/vnd.oci.image.layer.v1.tar+gzip"), **layer}
    config = blobs.add(Made(layers=(ONE,)).config, "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [descriptor]}
    return blobs, blobs.add(dump(manifest), MANIFEST_TYPE)


def top_of(document: Any) -> tuple[Blobs, dict[str, Any]]:
    blobs = Blobs()
    return blobs, blobs.add(document if isinstance(document, bytes) else dump(document), MANIFEST_TYPE)
