"""The engine's side of make.sh: which base images are there, which can be pulled, and building the stand-ins.

Commands (the engine is that of DOCKER_HOST):
  plan NAME...          print the stand-ins that have to be made, one a line; if none, write ../.imgscan.toml
  import FILE           make the root of them all, `imgscan-base/debian:slim`, from a root filesystem tar
  build NAME FOLDER     build one stand-in from a folder that holds its Dockerfile
Exit codes: 0 done, 3 no engine or the engine refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import requests.exceptions

HERE: Final = Path(__file__).resolve().parent
CONFIG: Final = HERE.parent / ".imgscan.toml"
LABEL: Final = "imgscan.recipe"
ROOT: Final = "debian"
# Seconds without a word from the engine after which a pull counts as impossible. An engine behind a closed network
# answers at once or tries for minutes; nobody waits for minutes to be told that there is no registry.
PULL_SILENCE_S: Final = 20.0
BUILD_SILENCE_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A local image and the public ones it takes the place of in the samples' Dockerfiles."""

    image: str
    public: tuple[str, ...]


STAND_INS: Final[dict[str, StandIn]] = {
    ROOT: StandIn(image="imgscan-base/debian:slim", public=("debian:bookworm-slim",)),
    "node": StandIn(image="imgscan-base/node:24", public=("node:24-bookworm-slim", "node:24-alpine")),
    "python": StandIn(image="imgscan-base/python:3.11", public=("python:3.12-slim-bookworm",)),
    "go": StandIn(image="imgscan-base/go:1.19", public=("golang:1.25-bookworm",)),
    "postgres": StandIn(image="imgscan-base/postgres:15", public=("postgres:17-bookworm",)),
}

CONFIG_HEAD: Final = """\
# Written by bases/make.sh, read by imgscan for every sample below this folder: the engine neither has nor can pull
# these public images, so local stand-ins take their place, and builds use the host's network.
"""


def recipe(name: str) -> str:
    """Twelve hex digits that change when the recipe of a stand-in, or of the root under it, does."""
    digest = hashlib.sha256()
    if name != ROOT:
        digest.update(recipe(ROOT).encode())
    for path in sorted(path for path in (HERE / name).rglob("*") if path.is_file()):
        digest.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    bundle = os.environ.get("IMGSCAN_CA_BUNDLE")
    if bundle:
        digest.update(Path(bundle).read_bytes())
    return digest.hexdigest()[:12]


def has_image(api: docker.APIClient, image: str, label: str | None = None) -> bool:
    try:
        found = api.inspect_image(image)
    except docker.errors.ImageNotFound:
        return False
    labels = (found.get("Config") or {}).get("Labels") or {}
    return label is None or labels.get(LABEL) == label


def can_pull(api: docker.APIClient, image: str) -> bool:
    """Pull a public image; False as soon as the engine says that it cannot, or says nothing for a while."""
    try:
        for event in api.pull(image, stream=True, decode=True):
            if "error" in event:
                return False
    except (docker.errors.APIError, requests.exceptions.RequestException):
        return False
    return has_image(api, image)


def plan(api: docker.APIClient, names: Sequence[str]) -> Iterator[str]:
    """Yield the names of the stand-ins that are needed and not there; if there are none, write the configuration."""
    registry = True
    needed: list[tuple[str, str]] = []
    missing: set[str] = set()
    for name, stand_in in STAND_INS.items():
        made = has_image(api, stand_in.image, recipe(name))
        for public in stand_in.public:
            if has_image(api, public):
                continue
            if not made:
                if name not in names:
                    continue
                registry = registry and can_pull(api, public)
                if registry:
                    continue
                missing.add(name)
            needed.append((public, stand_in.image))
    if missing and not has_image(api, STAND_INS[ROOT].image, recipe(ROOT)):
        missing.add(ROOT)
    if not missing:
        write_config(needed)
    yield from (name for name in STAND_INS if name in missing)


def write_config(needed: Sequence[tuple[str, str]]) -> None:
    if not needed:
        CONFIG.unlink(missing_ok=True)
        return
    pairs = "".join(f"  {json.dumps(f'{public}={image}')},\n" for public, image in needed)
    text = f'{CONFIG_HEAD}network = "host"\nbase-image = [\n{pairs}]\n'
    if not CONFIG.is_file() or CONFIG.read_text() != text:
        CONFIG.write_text(text)


def image_id(api: docker.APIClient, image: str) -> str | None:
    try:
        return str(api.inspect_image(image)["Id"])
    except docker.errors.ImageNotFound:
        return None


def remove_replaced(api: docker.APIClient, image: str, before: str | None) -> None:
    """Remove the image that had this stand-in's name until now, unless something is still made from it."""
    if before and before != image_id(api, image):
        with contextlib.suppress(docker.errors.APIError):
            api.remove_image(before)


def import_root(api: docker.APIClient, file: Path) -> None:
    before = image_id(api, STAND_INS[ROOT].image)
    repository, _, tag = STAND_INS[ROOT].image.partition(":")
    changes = ['CMD ["bash"]', f"LABEL {LABEL}={recipe(ROOT)}"]
    answer = api.import_image_from_file(str(file), repository=repository, tag=tag, changes=changes)
    if '"error"' in answer:
        raise docker.errors.APIError(answer)
    remove_replaced(api, STAND_INS[ROOT].image, before)


def build(api: docker.APIClient, name: str, folder: Path) -> None:
    """Build on the host's network: an engine's own one may have no way out where the host has a proxy of its own."""
    said: list[str] = []
    before = image_id(api, STAND_INS[name].image)
    for event in api.build(
        path=str(folder),
        tag=STAND_INS[name].image,
        network_mode="host",
        labels={LABEL: recipe(name)},
        rm=True,
        forcerm=True,
        decode=True,
    ):
        said.append(event.get("stream", ""))
        if "error" in event:
            sys.stderr.write("".join(said[-30:]))
            raise docker.errors.APIError(f"{STAND_INS[name].image}: {event['error']}")
    remove_replaced(api, STAND_INS[name].image, before)


def main(arguments: Sequence[str]) -> int:
    command, *rest = arguments
    kwargs: dict[str, Any] = {"version": "auto", "timeout": PULL_SILENCE_S if command == "plan" else BUILD_SILENCE_S}
    try:
        api = docker.APIClient(base_url=os.environ.get("DOCKER_HOST"), **kwargs)
        if command == "plan":
            unknown = [name for name in rest if name not in STAND_INS]
            if unknown:
                sys.stderr.write(f"no such base image: {', '.join(unknown)} (there are: {', '.join(STAND_INS)})\n")
                return 2
            sys.stdout.writelines(f"{name}\n" for name in plan(api, rest or list(STAND_INS)))
        elif command == "import":
            import_root(api, Path(rest[0]))
        elif command == "build":
            build(api, rest[0], Path(rest[1]))
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        sys.stderr.write(f"the engine at {os.environ.get('DOCKER_HOST', 'the default socket')} says: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
