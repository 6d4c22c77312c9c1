"""What a registry lists becomes images; what it does not list, or lists to do harm, is told."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleetsources import QUICK, FakeRegistry, expanded, made, names, nowhere, reasons
from imagemaker import INDEX_TYPE, Blobs, add_attestation, add_manifest, dump, gzipped
from webserver import Asked, Reply, serving

from imgscan.fleet.listing import Bounds, World

DIGEST = "ab" * 32
SHOP = {
    "base/debian": ["12", "12-slim", "13"],
    "pay/app": ["1.0.0", "1.1.0", "1.2.0-rc.1", "latest", f"sha256-{DIGEST}.sig"],
    "pay/old/app": ["0.1"],
    "web/app": ["2.0", "v2.1.0", "dev"],
    "tools": ["1"],
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return nowhere(tmp_path)


def shop(page: int = 100) -> FakeRegistry:
    return FakeRegistry(SHOP, page=page)


LISTED: list[Any] = [
    pytest.param(
        "", {}, [f"{name}:{tag}" for name in sorted(SHOP) for tag in SHOP[name] if tag[:3] != "sha"], id="all"
    ),
    pytest.param("/", {"exclude": ("*-*",)}, None, id="all but pre-releases"),
    pytest.param(
        "/pay/*",
        {},
        ["pay/app:1.0.0", "pay/app:1.1.0", "pay/app:1.2.0-rc.1", "pay/app:latest", "pay/old/app:0.1"],
        id="below",
    ),
    pytest.param(
        "/pay/",
        {"not_repositories": ("pay/old/**",)},
        ["pay/app:1.0.0", "pay/app:1.1.0", "pay/app:1.2.0-rc.1", "pay/app:latest"],
        id="but not",
    ),
    pytest.param("/*/app:1*", {}, ["pay/app:1.0.0", "pay/app:1.1.0", "pay/app:1.2.0-rc.1"], id="both globs"),
    pytest.param("/pay/app:*", {"semver": "*", "newest": 1}, ["pay/app:1.1.0"], id="newest release"),
    pytest.param(
        "/pay/app:*",
        {"semver": ">=1.1", "prereleases": True},
        ["pay/app:1.1.0", "pay/app:1.2.0-rc.1"],
        id="pre-releases",
    ),
    pytest.param("/tools*", {"include": ("nothing",)}, [], id="no tag"),
    pytest.param("/nothing*", {}, [], id="no repository"),
    pytest.param("/app*", {}, [], id="from the beginning"),
]


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize(("part", "options", "expected"), LISTED)
def test_a_registry(part: str, options: dict[str, Any], expected: list[str] | None, page: int, world: World) -> None:
    with serving(shop(page).respond) as server:
        listed = expanded(f"registry://{server.host}{part}", world=world, **options)
        if expected is None:
            expected = [f"{name}:{tag}" for name in sorted(SHOP) for tag in SHOP[name] if "-" not in tag]
        assert sorted(names(listed)) == sorted(f"{server.host}/{name}" for name in expected)
        assert [one.ref for one in listed.wanted] == [f"registry://{name}" for name in names(listed)]
    assert listed.not_listed == ()


def test_teams_and_platforms(world: World) -> None:
    with serving(shop().respond) as server:
        listed = expanded(
            f"registry://{server.host}/*/app:1.0*",
            f"registry://{server.host}/web/app:2.0",
            f"registry://{server.host}/tools:1",
            world=world,
            platforms=("linux/x86_64", "linux/arm64", "linux/amd64"),
            teams=((f"registry://{server.host}/", "all"), (f"{server.host}/web", "web"), (f"{server.host}/too", "x")),
        )
        host = server.host
    assert [(one.name, one.platform, one.team) for one in listed.wanted] == [
        (f"{host}/{name} ({platform})", platform, team)
        for name, team in (("pay/app:1.0.0", "all"), ("web/app:2.0", "web"), ("tools:1", "all"))
        for platform in ("linux/amd64", "linux/arm64")
    ]


def dates() -> FakeRegistry:
    """Images of different ages: the time is January of 2027."""
    registry = FakeRegistry({})
    for tag, created, content in (
        ("a", "2026-12-31T00:00:00Z", b"a"),
        ("also-a", "2026-12-31T00:00:00Z", b"a"),
        ("b", "2026-12-01T00:00:00.5Z", b"b"),
        ("c", "2020-01-01T00:00:00Z", b"c"),
        ("repro", "1970-01-01T00:00:00Z", b"d"),
        ("silent", None, b"e"),
    ):
        registry.add("app", tag, made(created, content))
    registry.repositories["app"].append("gone")
    return registry


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"since_s": 60 * 86_400.0}, "a also-a b gone repro silent", id="age"),
        pytest.param({"newest": 2}, "a also-a b", id="newest"),
        pytest.param({"newest": 2, "exclude": ("a",)}, "also-a b", id="newest by name first"),
    ],
)
def test_creation_dates(options: dict[str, Any], expected: str, world: World) -> None:
    with serving(dates().respond) as server:
        listed = expanded(f"registry://{server.host}/app:*", world=world, **options)
        assert names(listed) == [f"{server.host}/app:{tag}" for tag in expected.split()]
    assert listed.not_listed == ()


def test_dates_are_not_asked_for_in_vain(world: World) -> None:
    with serving(dates().respond) as server:
        expanded(f"registry://{server.host}/app:*", world=world, semver="*", newest=2)
        assert not [path for path in server.paths() if "manifests" in path or "blobs" in path]


def several(*architectures: str) -> tuple[Blobs, dict[str, Any]]:
    """An index of images for platforms, with attestations; one does not say what it is for."""
    blobs = Blobs()
    listed = []
    for number, architecture in enumerate(architectures):
        image = made("2026-12-31T00:00:00Z", architecture.encode(), architecture)
        platform = {"platform": {"os": "linux", "architecture": architecture}} if number else {}
        found = add_manifest(blobs, image, gzipped, **platform)
        listed += [found, add_attestation(blobs, found["digest"], architecture.encode())]
    return blobs, blobs.add(dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}), INDEX_TYPE)


def test_all_platforms(world: World) -> None:
    registry = FakeRegistry({})
    registry.put("app", "1", *several("amd64", "arm64", "s390x"))
    registry.add("app", "2", made())
    registry.repositories["app"].append("gone")
    with serving(registry.respond) as server:
        host = server.host
        listed = expanded(f"registry://{host}/app:*", world=world, platforms=("all",), newest=9)
        one = expanded(f"registry://{host}/app:1", f"registry://{host}/app:gone", world=world, platforms=("all",))
    assert [(one.ref, one.platform) for one in listed.wanted] == [
        (f"registry://{host}/app:1", "linux/amd64"),
        (f"registry://{host}/app:1", "linux/arm64"),
        (f"registry://{host}/app:1", "linux/s390x"),
        (f"registry://{host}/app:2", None),
        # What is wrong with it shows when it is looked up.
        (f"registry://{host}/app:gone", None),
    ]
    assert [item.platform for item in one.wanted] == ["linux/amd64", "linux/arm64", "linux/s390x"]
    assert reasons(one) == [f"registry://{host}/app:gone: {host} has no {host}/app:gone; check the spelling"]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_no_catalogue(status: int, world: World) -> None:
    with serving(lambda asked: Reply(status=status if "catalog" in asked.path else 200)) as server:
        listed = expanded(f"registry://{server.host}/", world=world)
        (reason,) = reasons(listed)
    assert listed.wanted == ()
    assert "gives no catalogue of its repositories" in reason
    assert f"name each repository, registry://{server.host}/REPOSITORY:*" in reason


@pytest.mark.parametrize(
    ("source", "name"), [("registry://bitnami/*", "Docker Hub"), ("registry://ghcr.io/team/*", "GitHub")]
)
def test_known_to_have_no_catalogue(source: str, name: str, world: World) -> None:
    (reason,) = reasons(expanded(source, world=world))
    assert name in reason
    assert "has no catalogue of its repositories" in reason


def endless(names: Callable[[int], list[str]], kind: str) -> Callable[[Asked], Reply]:
    """A list whose pages never end."""

    def respond(asked: Asked) -> Reply:
        number = int(asked.query.get("page", ["0"])[0])
        if kind not in asked.path:
            return Reply(body=json.dumps({"tags": ["1"], "repositories": ["app"]}).encode())
        body = json.dumps({"tags": names(number), "repositories": names(number)}).encode()
        return Reply(body=body, headers={"Link": f'<{asked.path}?page={number + 1}>; rel="next"'})

    return respond


@pytest.mark.parametrize(
    ("respond", "count", "words"),
    [
        pytest.param(endless(lambda _: ["a"], "_catalog"), 1, "does not come to an end", id="the same names"),
        pytest.param(endless(lambda _: [], "_catalog"), 0, "does not come to an end", id="no names"),
        pytest.param(
            endless(lambda n: [f"t{n}"] if n else ["t"], "tags/list"), 30, "does not come to an end", id="single tags"
        ),
        pytest.param(
            endless(lambda n: [f"t{n}x{i}" for i in range(7)], "tags/list"), 100, "more than 100 names", id="many tags"
        ),
        pytest.param(
            endless(lambda n: [f"t{n}x{i}" for i in range(7)], "_catalog"),
            50,
            "more than 50 names",
            id="many repositories",
        ),
    ],
)
def test_lists_without_end(respond: Callable[[Asked], Reply], count: int, words: str, world: World) -> None:
    world = replace(world, bounds=Bounds(tags=100, repositories=50, pages=29))
    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/", world=world)
    assert len(listed.wanted) == count
    (reason,) = reasons(listed)
    assert words in reason


def test_a_million_tags_on_one_page(world: World) -> None:
    body = json.dumps({"tags": [f"t{number}" for number in range(1_000_000)]}).encode()
    with serving(lambda asked: Reply(body=body if "tags" in asked.path else b"{}")) as server:
        listed = expanded(f"registry://{server.host}/app:*", world=world)
    assert len(listed.wanted) == 100_000
    assert "more than 100,000 names; what follows was not listed" in reasons(listed)[0]


def test_round_in_circles(world: World) -> None:
    links = itertools.cycle(["a", "b"])

    def respond(asked: Asked) -> Reply:
        body = json.dumps({"tags": [f"t{len(asked.query)}"]}).encode()
        return Reply(body=body, headers={"Link": f'</v2/app/tags/list?{next(links)}=1>; rel="next"'})

    with serving(respond) as server:
        (reason,) = reasons(expanded(f"registry://{server.host}/app:*", world=world))
    assert "goes round in circles when it lists tags" in reason


def test_another_host_is_not_asked(world: World) -> None:
    with serving(lambda asked: Reply()) as other:
        link = {"Link": f'<http://localhost:{other.server_address[1]}/v2/_catalog?n=2>; rel="next"'}
        pages = {"_catalog": Reply(body=b'{"repositories": ["app"]}', headers=link)}

        def respond(asked: Asked) -> Reply:
            return pages.get(asked.path.rpartition("/")[2], Reply(body=b'{"tags": ["1"]}'))

        with serving(respond) as server:
            listed = expanded(f"registry://{server.host}/", world=world)
            assert names(listed) == [f"{server.host}/app:1"]
        assert other.asked == []
    assert "has its list continued by another host" in reasons(listed)[0]


HOSTILE = [
    pytest.param(
        {"repositories": ["../etc", "a//b", "A", "app", 7, None, "a" * 300, "x\u202ey"]}, ["app"], "5 names", id="names"
    ),
    pytest.param({"repositories": None}, [], "", id="null"),
    pytest.param({"repositories": {"a": "b"}}, [], "", id="object"),
    pytest.param([], [], "", id="list"),
]


@pytest.mark.parametrize(("document", "expected", "words"), HOSTILE)
def test_names_that_are_none(document: Any, expected: list[str], words: str, world: World) -> None:
    def respond(asked: Asked) -> Reply:
        tags = {"tags": ["1", "..", "-x", "a b", "x\x1b[0m", "y" * 200, 3]}
        return Reply(body=json.dumps(document if "_catalog" in asked.path else tags).encode())

    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/", world=world)
        assert names(listed) == [f"{server.host}/{name}:1" for name in expected]
    assert [words in reason for reason in reasons(listed)] == ([True] if words else [])


def test_a_repository_with_too_many_tags_to_look_at(world: World) -> None:
    registry = FakeRegistry({})
    for number in range(30):
        registry.add("app", f"1.{number}", made("2026-12-31T00:00:00Z", b"%d" % number))
    with serving(registry.respond) as server:
        bounded = replace(world, bounds=Bounds(looks=10))
        listed = expanded(f"registry://{server.host}/app:*", world=bounded, since_s=1e9)
        assert names(listed) == [f"{server.host}/app:1.{number}" for number in range(20, 30)]
    assert "more than 10 tags; only the last of them were looked at" in reasons(listed)[0]


def test_a_registry_with_too_many_images(world: World) -> None:
    with serving(shop().respond) as server:
        listed = expanded(f"registry://{server.host}", world=replace(world, bounds=Bounds(images=5)))
    assert len(listed.wanted) == 5
    assert "more than 5 images; what follows was not listed" in reasons(listed)[0]


def test_a_page_that_is_too_large_for_some(world: World) -> None:
    registry = shop()

    def respond(asked: Asked) -> Reply:
        return Reply(status=400) if asked.query.get("n") == ["1000"] else registry.respond(asked)

    with serving(respond) as server:
        assert len(expanded(f"registry://{server.host}/", world=world).wanted) == 12


def test_a_page_that_is_not_there(world: World) -> None:
    link = {"Link": '</v2/app/tags/list?n=2>; rel="next"'}

    def respond(asked: Asked) -> Reply:
        return Reply(body=b'{"tags": ["1"]}', headers=link) if asked.query.get("n") == ["1000"] else Reply(status=404)

    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/app:*", world=world)
        assert names(listed) == [f"{server.host}/app:1"]
    assert "status 404" in reasons(listed)[0]


def test_repositories_that_are_refused(world: World) -> None:
    registry = shop()

    def respond(asked: Asked) -> Reply:
        return Reply(status=403) if "/pay/" in asked.path else registry.respond(asked)

    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/", world=world)
        host = server.host
    assert len(listed.wanted) == 7
    assert [item.source for item in listed.not_listed] == [
        f"registry://{host}/pay/app",
        f"registry://{host}/pay/old/app",
    ]
    assert "refuses access" in listed.not_listed[0].reason


def test_very_many_that_are_refused_are_told_in_few(world: World) -> None:
    registry = FakeRegistry({f"r{number}": ["1"] for number in range(130)}, page=1000)

    def respond(asked: Asked) -> Reply:
        return Reply(status=403) if "tags" in asked.path else registry.respond(asked)

    with serving(respond) as server:
        told = reasons(expanded(f"registry://{server.host}/", world=world))
    assert len(told) == 101
    assert "30 more of its repositories could not be listed in full" in told[-1]


def test_a_registry_that_goes_away_is_left_alone(world: World) -> None:
    registry = FakeRegistry({f"r{number:03}": ["1"] for number in range(200)}, page=1000)

    def respond(asked: Asked) -> Reply:
        return Reply(status=503) if "tags" in asked.path else registry.respond(asked)

    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/", world=world, connections=2)
        asked = len(server.asked)
    assert listed.wanted == ()
    assert "does not answer any more; what is left of it was not listed" in reasons(listed)[-1]
    assert asked < 100


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_requests_at_once_than_allowed(connections: int, world: World) -> None:
    registry = FakeRegistry({f"r{number:02}": [] for number in range(20)}, page=7)
    for number in range(20):
        for tag in range(10 if number < 2 else 3):
            registry.add(f"r{number:02}", str(tag), made("2026-12-31T00:00:00Z", b"%d" % tag))
    lock = threading.Lock()
    now = most = 0

    def respond(asked: Asked) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            threading.Event().wait(0.002)
            return registry.respond(asked)
        finally:
            with lock:
                now -= 1

    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/", world=world, connections=connections, newest=2)
    assert len(listed.wanted) == 40
    assert most <= connections
    assert connections == 1 or most > 1


def test_what_is_being_done_is_told(world: World) -> None:
    registry = FakeRegistry({f"r{number:03}": ["1"] for number in range(120)}, page=1000)
    said: list[str] = []
    with serving(registry.respond) as server:
        expanded(f"registry://{server.host}/", world=world, say=said.append)
        host = server.host
    assert said == [
        f"listing {host}",
        f"listing {host}: 50 repositories, 50 images",
        f"listing {host}: 100 repositories, 100 images",
    ]


def test_waiting_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    answers = iter([Reply(status=429, headers={"Retry-After": "7"})])

    def respond(asked: Asked) -> Reply:
        return (
            Reply(body=b'{"tags": ["1"]}')
            if "tags" not in asked.path
            else next(answers, Reply(body=b'{"tags": ["1"]}'))
        )

    waits: list[float] = []
    world = nowhere(tmp_path, effects=replace(QUICK, sleep=waits.append))
    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/app:*", world=world, say=said.append)
    assert len(listed.wanted) == 1
    assert waits == [7.0]
    assert any("trying again in 7.0 s" in text for text in said)
