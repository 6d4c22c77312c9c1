"""The parameters of a build request."""

from __future__ import annotations

import json

import pytest

from imgscan.build.request import Builder, BuildOptions, BuildRequest, choose_builder, request_params
from imgscan.errors import InputError


def params(
    builder: Builder, *, no_cache: bool = False, isolated: bool = False, again: bool = False, **wishes: object
) -> dict[str, str]:
    options = BuildOptions(**{"builder": builder, "build_args": {}, **wishes})  # type: ignore[arg-type]
    request = BuildRequest(
        options=options,
        dockerfile="d/Dockerfile",
        tag="imgscan-1:x",
        build_id="imgscan-1-x",
        namespace="imgscan-1",
        no_cache=no_cache,
        isolated=isolated,
        again=again,
    )
    return request_params(request)


def test_buildkit() -> None:
    assert params(Builder.BUILDKIT, build_args={"A": "b c"}, target="t", network="host", platform="linux/arm64") == {
        "dockerfile": "d/Dockerfile",
        "t": "imgscan-1:x",
        "rm": "1",
        "forcerm": "1",
        "version": "2",
        "buildid": "imgscan-1-x",
        "target": "t",
        "networkmode": "host",
        "platform": "linux/arm64",
        "buildargs": json.dumps({"A": "b c", "BUILDKIT_CACHE_MOUNT_NS": "imgscan-1"}),
    }


def test_a_namespace_of_the_user_s_stays() -> None:
    found = params(Builder.BUILDKIT, build_args={"BUILDKIT_CACHE_MOUNT_NS": "mine"})
    assert json.loads(found["buildargs"]) == {"BUILDKIT_CACHE_MOUNT_NS": "mine"}


def test_an_isolated_build_has_a_host_name_of_its_own() -> None:
    assert params(Builder.BUILDKIT, isolated=True)["extrahosts"] == "imgscan-1:127.0.0.1"
    assert params(Builder.BUILDKIT, isolated=True, again=True)["extrahosts"] == "imgscan-1-again:127.0.0.1"
    assert "nocache" not in params(Builder.BUILDKIT, isolated=True, again=True)
    assert params(Builder.PODMAN, again=True)["nocache"] == "1"
    assert "extrahosts" not in params(Builder.BUILDKIT)
    assert "extrahosts" not in params(Builder.CLASSIC, isolated=True)


def test_classic_and_podman() -> None:
    classic = params(Builder.CLASSIC, no_cache=True)
    assert (classic["version"], classic["nocache"]) == ("1", "1")
    assert "buildargs" not in classic
    podman = params(Builder.PODMAN)
    assert podman["layers"] == "1"
    assert "version" not in podman


@pytest.mark.parametrize(
    ("wanted", "kind", "expected"),
    [
        ("auto", "docker", Builder.BUILDKIT),
        ("auto", "podman", Builder.PODMAN),
        ("classic", "docker", Builder.CLASSIC),
        ("podman", "podman", Builder.PODMAN),
    ],
)
def test_choose_builder(wanted: str, kind: str, expected: Builder) -> None:
    assert choose_builder(wanted, kind) is expected


@pytest.mark.parametrize(
    ("wanted", "kind", "words"),
    [
        ("buildx", "docker", "buildx route"),
        ("podman", "docker", "cannot build with podman"),
        ("buildkit", "podman", "cannot build with buildkit"),
        ("kaniko", "docker", "no builder"),
    ],
)
def test_builders_that_are_not_there(wanted: str, kind: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        choose_builder(wanted, kind)
    assert caught.value.next_step
