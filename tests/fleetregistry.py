"""A registry with a small fleet in it: images of three teams on two bases, one of which leaks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imagemaker import Blobs, Made, add_manifest, gzipped, small_layer
from registries import Pusher
from secretmaker import token_of
from tarmaker import archive, directory, member

LEAK = token_of("of the base")
OWN = token_of("of one application")
PASSWORD = "correct-" + "horse-9-battery"
SECRETS = (LEAK, OWN, PASSWORD)
PLAIN_BASE = archive(directory(b"etc/"), member(b"etc/os-release", b"ID=none\n"))
LEAKY_BASE = archive(directory(b"opt/"), member(b"opt/settings.py", f"TOKEN = '{LEAK}'\n".encode()))
NOISE = [archive(member(b"srv/%d" % number, bytes(range(256)) * 400)) for number in range(4)]
APPS: dict[str, Sequence[bytes]] = {
    "base/plain:1": (PLAIN_BASE,),
    "base/leaky:1": (LEAKY_BASE,),
    "pay/api:1": (LEAKY_BASE, NOISE[0]),
    "pay/api:2": (LEAKY_BASE, NOISE[0], NOISE[1]),
    "pay/web:1": (LEAKY_BASE, NOISE[2]),
    "shop/web:1": (PLAIN_BASE, NOISE[2], archive(member(b"srv/.env", f"DB_PASSWORD={PASSWORD}\n".encode()))),
    "shop/job:1": (PLAIN_BASE, NOISE[3], small_layer(b"token", OWN.encode())),
}


def fill(host: str, apps: Mapping[str, Sequence[bytes]] = APPS, headers: dict[str, str] | None = None) -> list[str]:
    """Push the images; gives their references."""
    for name, layers in apps.items():
        repository, _, tag = name.partition(":")
        blobs = Blobs()
        history = [{"created_by": f"COPY part{number} / # buildkit"} for number in range(len(layers))]
        top = add_manifest(blobs, Made(layers=layers, history=history), gzipped)
        Pusher(host, repository, headers).push(blobs, top, tag)
    return [f"registry://{host}/{name}" for name in apps]


def blob_requests(log: Path) -> list[str]:
    """The digests of the blobs that the registry was asked for, from its own log of requests."""
    found = re.findall(r'"GET /v2/[^"\s]*/blobs/(sha256:[0-9a-f]{64}) [^"]*" 20[06]', log.read_text(errors="replace"))
    return [str(digest) for digest in found]


def layer_digests(apps: Mapping[str, Sequence[bytes]]) -> set[str]:
    """What the distinct layers of images are called in the registry."""
    from imagemaker import sha

    return {f"sha256:{sha(gzipped(layer))}" for layers in apps.values() for layer in layers}


def findings_of(path: Path) -> set[tuple[str, str, str]]:
    """What a JSON report of a fleet says: image, fingerprint, change."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {(one["image"], one["fingerprint"], one["change"]) for one in document["findings"]}
