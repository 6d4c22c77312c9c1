"""What to build and by whom -> the parameters of `POST /build`. Pure.

Parameters: Docker Engine API v1.41, `ImageBuild`; those that BuildKit alone knows: moby/moby
`api/server/router/build/build_routes.go`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from imgscan.errors import InputError
from imgscan.frozen import frozen

BUILDERS: Final = ("auto", "buildkit", "buildx", "classic", "podman")
_NAMESPACE_ARG: Final = "BUILDKIT_CACHE_MOUNT_NS"


class Builder(StrEnum):
    """Who carries out the Dockerfile."""

    BUILDKIT = "buildkit"
    CLASSIC = "classic"
    PODMAN = "podman"


@frozen
class BuildOptions:
    """The user's wishes, equal for every build of a run. `network` and `platform` are the engine's own words."""

    builder: Builder
    target: str | None = None
    build_args: Mapping[str, str]
    network: str | None = None
    platform: str | None = None


@frozen
class BuildRequest:
    """One build. `dockerfile` is its path in the archive; `tag` is what the image is called; `build_id` is what to
    cancel it by; `namespace` keeps its cache mounts apart from everyone else's, and when `isolated` also the results of
    its RUN steps: it neither finds those of other builds nor do they find its. `again`: its RUN steps do not even find
    the run's own, but the cache mounts that these filled (which `no_cache` would start anew)."""

    options: BuildOptions
    dockerfile: str
    tag: str
    build_id: str
    namespace: str
    no_cache: bool = False
    isolated: bool = False
    again: bool = False


def choose_builder(wanted: str, engine_kind: str) -> Builder:
    """The builder for `--builder`. Raises InputError for one that this engine, or this version of imgscan, has not."""
    if wanted == "auto":
        return Builder.PODMAN if engine_kind == "podman" else Builder.BUILDKIT
    if wanted == "buildx":
        raise InputError(
            "the buildx route is not there yet",
            cause="imgscan talks to the engine itself and needs no docker CLI",
            next_step="use --builder buildkit: the same builder through the engine's API",
        )
    if wanted not in tuple(Builder):
        raise InputError(f"no builder {wanted!r}", next_step=f"one of {', '.join(BUILDERS)}")
    if (wanted == "podman") != (engine_kind == "podman"):
        raise InputError(
            f"the engine is {engine_kind}, which cannot build with {wanted}",
            next_step="use --builder auto, or set DOCKER_HOST to the engine that is meant",
        )
    return Builder(wanted)


def request_params(request: BuildRequest) -> dict[str, str]:
    """The query of `POST /build`."""
    options = request.options
    build_args = dict(options.build_args)
    params = {"dockerfile": request.dockerfile, "t": request.tag, "rm": "1", "forcerm": "1"}
    match options.builder:
        case Builder.BUILDKIT:
            params |= {"version": "2", "buildid": request.build_id}
            build_args.setdefault(_NAMESPACE_ARG, request.namespace)
            if request.isolated:
                # The names (not the addresses) of extra hosts are part of what a RUN is cached by. `nocache` alone is
                # not enough for a cold build: BuildKit still shares steps with builds that run at the same time.
                params["extrahosts"] = f"{request.namespace}{'-again' if request.again else ''}:127.0.0.1"
        case Builder.CLASSIC:
            params["version"] = "1"
        case Builder.PODMAN:
            # Without layers Podman keeps no cache and each step would run every time.
            params |= {"layers": "1", "pullpolicy": "missing"}
    optional = {
        "target": options.target,
        "networkmode": options.network,
        "platform": options.platform,
        "nocache": "1" if request.no_cache or (request.again and options.builder is not Builder.BUILDKIT) else None,
        "buildargs": json.dumps(build_args) if build_args else None,
    }
    return params | {name: value for name, value in optional.items() if value}
