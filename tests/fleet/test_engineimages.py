"""Images of an engine: by tag, by the rules of tags, and those without a name."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from fleetsources import expanded, names, nowhere
from imagemaker import small_layer

from imgscan.engine import Engine
from imgscan.enginerecords import ImageRecord
from imgscan.errors import InputError
from imgscan.fleet.listing import World
from imgscan.source.backoff import Effects


class FakeEngine:
    """Has images by tag, when these were made, and further ones with what they are made from."""

    def __init__(
        self, tags: Mapping[str, str], created: Mapping[str, str], others: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._tags = dict(tags)
        self._created = created
        self._others = others
        self.closed = False

    def tags(self) -> dict[str, str]:
        return self._tags

    def images(self) -> tuple[ImageRecord, ...]:
        named = [ImageRecord(id=one, parent="", tags=(tag,)) for tag, one in self._tags.items()]
        return (*named, *(ImageRecord(id=one, parent=parent, tags=()) for one, parent in self._others))

    def inspect_image(self, ref: str) -> dict[str, Any]:
        if ref not in self._created:
            raise InputError(f"no image {ref}")
        return {"Id": ref, "Created": self._created[ref]}

    def close(self) -> None:
        self.closed = True


TAGS = {
    "app:1.0": "sha256:1",
    "app:1.1": "sha256:2",
    "app:latest": "sha256:2",
    "docker.io/library/redis:7": "sha256:3",
    "localhost:5000/pay/app:2": "sha256:4",
    "odd:x.tar": "sha256:5",
    "gone:1": "sha256:6",
}
CREATED = {
    "sha256:1": "2026-01-01T00:00:00.123456789Z",
    "sha256:2": "2027-01-01T00:00:00Z",
    "sha256:3": "0001-01-01T00:00:00Z",
    "sha256:4": "2020-01-01T00:00:00+02:00",
    "sha256:5": "2020-01-01T00:00:00Z",
}
OTHERS = [
    ("sha256:top", "sha256:middle"),
    ("sha256:middle", "sha256:bottom"),
    ("sha256:bottom", ""),
    ("sha256:alone", ""),
]


@pytest.fixture
def fake() -> FakeEngine:
    return FakeEngine(TAGS, CREATED, OTHERS)


@pytest.fixture
def world(tmp_path: Path, fake: FakeEngine) -> World:
    return replace(nowhere(tmp_path), connect=lambda: cast("Engine", fake))


@pytest.mark.parametrize(
    ("pattern", "options", "expected"),
    [
        pytest.param("", {}, sorted(TAGS), id="all"),
        pytest.param("app", {}, ["app:1.0", "app:1.1", "app:latest"], id="a name"),
        pytest.param("app:1.*", {}, ["app:1.0", "app:1.1"], id="tags"),
        pytest.param("redis", {}, ["docker.io/library/redis:7"], id="as Podman names it"),
        pytest.param("localhost:5000/**", {}, ["localhost:5000/pay/app:2"], id="a registry"),
        pytest.param(
            "*",
            {"semver": "*", "newest": 1},
            ["app:1.1", "docker.io/library/redis:7", "gone:1", "localhost:5000/pay/app:2"],
            id="newest version",
        ),
        pytest.param("app", {"newest": 1}, ["app:1.1", "app:latest"], id="newest image"),
        pytest.param(
            "", {"since_s": 86_400.0 * 100}, ["app:1.1", "app:latest", "docker.io/library/redis:7", "gone:1"], id="age"
        ),
        pytest.param("", {"exclude": ("*",)}, [], id="none"),
        pytest.param("app:1.0", {"dangling": True}, ["app:1.0"], id="no dangling by name"),
        pytest.param("", {"dangling": True, "exclude": ("*",)}, ["sha256:alone", "sha256:top"], id="dangling"),
    ],
)
def test_by_tag(pattern: str, options: dict[str, Any], expected: list[str], world: World, fake: FakeEngine) -> None:
    listed = expanded(f"engine://{pattern}", world=world, platforms=("linux/arm64",), **options)
    assert sorted(names(listed)) == sorted(expected)
    # The engine has one image of a name, whatever it is for.
    assert {one.platform for one in listed.wanted} <= {None}
    assert fake.closed


def test_a_name_that_reads_as_a_path_is_known_by_its_id(world: World) -> None:
    (odd,) = expanded("engine://odd", world=world, teams=(("odd", "us"),)).wanted
    assert (odd.ref, odd.name, odd.team) == ("sha256:5", "odd:x.tar", "us")


@pytest.fixture
def tagged(engine: Engine) -> Iterator[tuple[str, str]]:
    """A name with two tags of one image in the engine, and the id of an image without a name."""
    name = f"imgscan-fleet-{secrets.token_hex(4)}"
    api: Any = engine.api
    made = [
        json.loads(api.import_image_from_data(small_layer(b"a", name.encode()), repository=name, tag="1.0"))["status"]
    ]
    api.tag(made[0], name, "v1.0.0")
    made.append(json.loads(api.import_image_from_data(small_layer(b"b", name.encode())))["status"])
    try:
        yield name, made[1]
    finally:
        for ref in (f"{name}:1.0", f"{name}:v1.0.0", made[1]):
            engine.remove_image(ref)


@pytest.mark.engine
def test_a_real_engine(tagged: tuple[str, str], tmp_path: Path) -> None:
    name, nameless = tagged
    world = replace(nowhere(tmp_path, effects=Effects()), connect=Engine.connect)
    listed = expanded(f"engine://{name}", world=world, since_s=3_600.0)
    assert [one.rpartition("/")[2] for one in names(listed)] == [f"{name}:1.0", f"{name}:v1.0.0"]
    every = expanded("engine://", world=world, dangling=True)
    assert set(names(listed)) < set(names(every))
    assert nameless in names(every)
    assert every.not_listed == ()
