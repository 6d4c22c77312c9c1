"""A real registry: its catalogue in pages, behind a password, and behind a token server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fleetsources import expanded, made, names, nowhere, reasons
from imagemaker import Blobs, add_manifest, gzipped
from registries import Pusher, TokenIssuer, htpasswd, running
from registryimages import BASIC, PASSWORD, USER, multi
from webserver import serving

from imgscan.fleet.listing import World
from imgscan.source import open_image
from imgscan.source.backoff import Effects

pytestmark = pytest.mark.registry
REPOSITORIES = 12
DAYS = 86_400.0
NOW = 1_800_000_000.0


def fill(host: str, headers: dict[str, str] | None = None) -> None:
    """Twelve repositories of four tags, one of an index."""
    for number in range(REPOSITORIES):
        pusher = Pusher(host, f"team{number % 3}/app{number}", headers)
        for tag, created in (("1.0", "2020-01-01T00:00:00Z"), ("1.1", "2027-01-10T00:00:00Z"), ("2.0-rc1", None)):
            blobs = Blobs()
            top = add_manifest(blobs, made(created, b"%d" % number), gzipped)
            pusher.push(blobs, top, tag)
            if tag == "1.1":
                pusher.push(blobs, top, "latest")
    blobs, index = multi("amd64", "arm64")
    Pusher(host, "multi/app", headers).push(blobs, index, "1")


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("public")) as host:
        fill(host)
        yield host


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("private")
    with running(folder, htpasswd(folder, USER, PASSWORD)) as host:
        fill(host, BASIC)
        yield host


@pytest.fixture
def world(tmp_path: Path) -> World:
    return replace(nowhere(tmp_path), effects=Effects(now=lambda: NOW))


def logged_in(world: World, host: str, password: str = PASSWORD) -> World:
    """With a login in docker's configuration."""
    folder = (world.home or Path()) / ".docker"
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return world


def test_everything(public: str, world: World) -> None:
    listed = expanded(f"registry://{public}/", world=world)
    assert listed.not_listed == ()
    assert len(listed.wanted) == 4 * REPOSITORIES + 1
    assert f"{public}/team0/app0:latest" in names(listed)
    with closing(open_image(listed.wanted[0].ref)) as reader:
        assert reader.image().layers


def test_parts(public: str, world: World) -> None:
    listed = expanded(f"registry://{public}/team1/*:1.*", world=world, exclude=("1.0",), not_repositories=("*/app1",))
    assert names(listed) == [f"{public}/team1/app{number}:1.1" for number in (10, 4, 7)]


def test_newest_and_age(public: str, world: World) -> None:
    newest = expanded(f"registry://{public}/team0/app0:*", world=world, newest=1)
    assert names(newest) == [f"{public}/team0/app0:{tag}" for tag in ("1.1", "latest")]
    young = expanded(f"registry://{public}/team0/app0:*", world=world, since_s=30 * DAYS)
    assert names(young) == [f"{public}/team0/app0:{tag}" for tag in ("1.1", "2.0-rc1", "latest")]
    release = expanded(f"registry://{public}/team*/*", world=world, semver="*", newest=1)
    assert sorted(names(release)) == sorted(f"{public}/team{n % 3}/app{n}:1.1" for n in range(REPOSITORIES))


def test_platforms(public: str, world: World) -> None:
    listed = expanded(
        f"registry://{public}/multi/*", f"registry://{public}/multi/app:1", world=world, platforms=("all",)
    )
    assert [(one.ref, one.platform) for one in listed.wanted] == [
        (f"registry://{public}/multi/app:1", "linux/amd64"),
        (f"registry://{public}/multi/app:1", "linux/arm64"),
    ]
    for wanted in listed.wanted:
        with closing(open_image(wanted.ref, platform=wanted.platform)) as reader:
            assert reader.image().platform == wanted.platform


def test_pages(public: str, world: World) -> None:
    """Through a proxy that makes pages small, since the registry gives as many names as are asked for."""
    from urllib.parse import urlencode

    import requests
    from webserver import Asked, Reply

    def respond(asked: Asked) -> Reply:
        query = {name: values[0] for name, values in asked.query.items()}
        if "n" in query:
            query["n"] = "5"
        answer = requests.get(f"http://{public}{asked.path}?{urlencode(query)}", headers={"Accept": "*/*"}, timeout=10)
        link = {"Link": answer.headers["Link"]} if "Link" in answer.headers else {}
        return Reply(status=answer.status_code, body=answer.content, headers=link)

    with serving(respond) as server:
        listed = expanded(f"registry://{server.host}/", world=world)
        catalogues = [asked for asked in server.asked if asked.path.endswith("_catalog")]
        assert [name.removeprefix(server.host) for name in names(listed)] == [
            name.removeprefix(public) for name in names(expanded(f"registry://{public}/", world=world))
        ]
    assert len(catalogues) == 3
    assert listed.not_listed == ()


def test_behind_a_password(private: str, world: World) -> None:
    listed = expanded(f"registry://{private}/", world=logged_in(world, private), newest=1)
    assert listed.not_listed == ()
    assert len(listed.wanted) == 2 * REPOSITORIES + 1


@pytest.mark.parametrize("password", [None, "wrong"])
def test_kept_out(password: str | None, private: str, world: World) -> None:
    if password is not None:
        logged_in(world, private, password)
    listed = expanded(f"registry://{private}/", f"registry://{private}/team0/app0:*", world=world)
    assert listed.wanted == ()
    catalogue, repository = reasons(listed)
    assert f"{private} gives no catalogue of its repositories; {private} refuses access to its catalogue" in catalogue
    assert f"{private} refuses access to {private}/team0/app0" in repository
    assert all(f"docker login {private}" in text for text in (catalogue, repository))
    assert PASSWORD not in "".join(reasons(listed))


def test_behind_tokens(tmp_path: Path, world: World) -> None:
    issuer = TokenIssuer(tmp_path, USER, PASSWORD)
    with serving(issuer.respond) as realm, running(tmp_path, issuer.auth(f"http://{realm.host}/token")) as host:
        scopes = "repository:team0/app0:pull,push"
        bearer = {"Authorization": f"Bearer {issuer.token([scopes])}"}
        blobs = Blobs()
        Pusher(host, "team0/app0", bearer).push(blobs, add_manifest(blobs, made(), gzipped), "1")
        issuer.scopes.clear()
        listed = expanded(f"registry://{host}/", world=logged_in(world, host))
        nobody = expanded(f"registry://{host}/", world=nowhere(tmp_path / "nobody"))
    assert names(listed) == [f"{host}/team0/app0:1"]
    assert listed.not_listed == ()
    assert issuer.scopes[:2] == ["registry:catalog:*", "repository:team0/app0:pull"]
    assert nobody.wanted == ()
    assert "refuses access to its catalogue" in reasons(nobody)[0]
