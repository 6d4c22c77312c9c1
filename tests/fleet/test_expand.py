"""Sources together: each image once, what is wrong told at the right time, teams, and names that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleetsources import FakeRegistry, expanded, made, names, nowhere, reasons
from webserver import Asked, Reply, serving

from imgscan.engine import Engine
from imgscan.errors import EngineError, InputError
from imgscan.fleet.expand import ListOptions, World, expand
from imgscan.fleet.listing import check_options, team_of
from imgscan.fleets import NotListed, Wanted

R = "registry.example"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return nowhere(tmp_path)


def test_images_one_by_one(world: World) -> None:
    listed = expanded(f"registry://{R}/app", "nginx:1", f"registry://{R.upper()}/app:latest", world=world)
    assert listed.wanted == (
        Wanted(ref=f"registry://{R}/app:latest", name=f"{R}/app:latest", source=f"registry://{R}/app"),
        Wanted(ref="nginx:1", name="nginx:1", source="nginx:1"),
    )
    assert listed.not_listed == ()


def test_a_list(tmp_path: Path, world: World) -> None:
    file = tmp_path / "images.txt"
    file.write_text(
        f"registry://{R}/pay/app:1 team=payments\n"
        f"registry://{R}/web/app:1 platform=linux/arm64,linux/amd64 # both\n"
        f"registry://{R}/web/app:2@sha256:{'a' * 64}\nnginx:1\nregistry://{R}/pay/app:1\n"
    )
    listed = expanded(str(file), world=world, teams=((f"{R}/pay", "old"), (f"{R}/web", "web"), ("nginx", "edge")))
    assert [(one.name, one.team) for one in listed.wanted] == [
        (f"{R}/pay/app:1", "payments"),
        (f"{R}/web/app:1 (linux/arm64)", "web"),
        (f"{R}/web/app:1 (linux/amd64)", "web"),
        (f"{R}/web/app:2@sha256:{'a' * 64}", "web"),
        ("nginx:1", "edge"),
    ]
    assert listed.wanted[0].source == f"{file}: registry://{R}/pay/app:1"


def test_names_of_registries(tmp_path: Path) -> None:
    world = nowhere(tmp_path, f"nginx\n{R}/app:1\n".encode())
    listed = expanded("-", "redis:7", world=world, names_from="registry")
    assert [one.ref for one in listed.wanted] == [
        "registry://docker.io/library/nginx:latest",
        f"registry://{R}/app:1",
        "registry://docker.io/library/redis:7",
    ]


def test_a_list_in_toml(tmp_path: Path, world: World) -> None:
    registry = FakeRegistry({"pay/app": ["1.0", "1.1", "2.0-rc"], "web/app": ["1", "dev"]})
    with serving(registry.respond) as server:
        (tmp_path / "images.toml").write_text(
            f"[[image]]\nref = 'registry://{server.host}/web/app:1'\nteam = 'w'\nplatform = 'linux/amd64'\n"
            f"[[source]]\nsource = 'registry://{server.host}/pay/*'\nteam = 'p'\nsemver = '*'\nnewest = 1\n"
            f"[[source]]\nsource = 'registry://{server.host}/web/'\nexclude-tag = 'dev'\n"
        )
        listed = expanded(str(tmp_path / "images.toml"), world=world)
        host = server.host
    assert [(one.name, one.team) for one in listed.wanted] == [
        (f"{host}/web/app:1 (linux/amd64)", "w"),
        (f"{host}/pay/app:1.1", "p"),
        (f"{host}/web/app:1", ""),
    ]


WRONG: list[Any] = [
    pytest.param("images.txt", "nginx\nregistry://Bad_Host-/x y\n", "line 2: `y` means nothing", id="word"),
    pytest.param("images.txt", "nginx\nregistry://r.example/UPPER:1\n", "line 2: ", id="reference"),
    pytest.param("images.txt", "nginx\n./nothing.tar\n", "line 2: no such file", id="file"),
    pytest.param("images.txt", "nginx platform=amd64\n", "line 1: 'amd64' is no platform", id="platform"),
    pytest.param("images.txt", "\nother.txt\n", "line 2: ", id="list"),
    pytest.param("images.toml", "[[image]]\nref='registry://r.example/'\n", "is not one image", id="source as image"),
    pytest.param("images.toml", "[[image]]\nref='other.toml'\n", "line 1 ([[image]] 1): ", id="list as image"),
    pytest.param(
        "images.toml", "[[source]]\nsource='registry://r.example/'\nsemver='a'\n", "line 1 ([[source]] 1)", id="range"
    ),
]


@pytest.mark.parametrize(("name", "text", "words"), WRONG)
def test_what_is_wrong_in_a_list_is_told_at_once(
    name: str, text: str, words: str, tmp_path: Path, world: World
) -> None:
    (tmp_path / name).write_text(text)
    with serving(lambda asked: Reply()) as server:
        with pytest.raises(InputError) as caught:
            expanded(f"registry://{server.host}/", str(tmp_path / name), world=world)
        # Nobody waits for a registry to hear of a mistake.
        assert server.asked == []
    assert words in caught.value.what
    assert caught.value.what.startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    "options",
    [
        {"connections": 0},
        {"platforms": ("x",)},
        {"teams": (("a", "x" * 61),)},
        {"team": "a\nb"},
        {"insecure_hosts": ("no host",)},
        {"not_repositories": ("!a",)},
        {"newest": 0},
        {"semver": "a"},
    ],
    ids=str,
)
def test_options_that_mean_nothing(options: dict[str, Any], world: World) -> None:
    with pytest.raises(InputError):
        expanded("nginx", world=world, **options)


def test_no_source(world: World) -> None:
    with pytest.raises(InputError, match="no source given"):
        expand([], ListOptions(), world=world)


def test_one_broken_source_does_not_stop_the_others(tmp_path: Path) -> None:
    def no_engine() -> Engine:
        raise EngineError("no container engine answers", cause="tried nothing")

    world = replace(nowhere(tmp_path), connect=no_engine)
    (tmp_path / "broken.tar").write_bytes(b"no tar")
    listed = expanded("engine://", f"{tmp_path}/broken.tar", "nginx", world=world)
    assert names(listed) == ["nginx"]
    assert listed.not_listed[0] == NotListed(source="engine://", reason="no container engine answers; tried nothing")
    assert listed.not_listed[1].source == f"{tmp_path}/broken.tar"


def test_a_name_of_two_places(tmp_path: Path) -> None:
    world = nowhere(tmp_path, f"{R}/app:1\nregistry://{R}/app:1\n".encode())
    assert names(expanded("-", world=world)) == [f"{R}/app:1", f"registry://{R}/app:1"]


def test_a_team_that_only_one_source_knows(tmp_path: Path) -> None:
    world = nowhere(tmp_path, b"nginx team=edge\nnginx team=other\n")
    assert [(one.name, one.team) for one in expanded("nginx", "-", world=world).wanted] == [("nginx", "edge")]


TEAMS = (("r.example/pay/", "pay"), ("registry://r.example/pay/old", "old"), ("r.example", "all"), ("nginx", "edge"))


@pytest.mark.parametrize(
    ("name", "team"),
    [
        ("r.example/pay/app:1", "pay"),
        ("r.example/pay/old:1", "old"),
        ("r.example/pay/old/app:1", "old"),
        ("r.example/pay/older:1", "pay"),
        ("r.example/payroll/app:1", "all"),
        ("r.example.org/app:1", ""),
        ("nginx:1", "edge"),
        ("nginx", "edge"),
        ("nginxx", ""),
        ("nginx@sha256:ab", "edge"),
    ],
)
def test_teams(name: str, team: str) -> None:
    assert team_of(name, TEAMS) == team


def test_platforms_are_spelled_in_one_way() -> None:
    options = check_options(ListOptions(platforms=("linux/x86_64", "linux/amd64", "linux/arm64/v8")))
    assert options.platforms == ("linux/amd64", "linux/arm64")
    assert check_options(ListOptions(platforms=("linux/amd64", "all"))).platforms == ("all",)


def test_many_single_images_for_all_platforms(tmp_path: Path) -> None:
    registry = FakeRegistry({})
    for number in range(40):
        registry.add("app", str(number), made(content=b"%d" % number))
    said: list[Asked] = []
    with serving(registry.respond) as server:
        lines = "".join(f"registry://{server.host}/app:{number} team=t{number}\n" for number in range(40))
        world = nowhere(tmp_path, lines.encode())
        listed = expanded("-", "nginx", world=world, platforms=("all",))
        said = server.asked
    assert [one.team for one in listed.wanted] == [*(f"t{number}" for number in range(40)), ""]
    # One request each, and one to see what the host speaks.
    assert len([asked for asked in said if "/manifests/" in asked.path]) == 40
    assert len(said) <= 41


def test_hostile_sources_in_messages(tmp_path: Path) -> None:
    world = nowhere(tmp_path)
    listed = expanded("x\x1b[31m\u202e", world=world)
    assert all(text.isprintable() for one in listed.wanted for text in (one.name, one.source))
    assert reasons(listed) == []
