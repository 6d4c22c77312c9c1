"""Registry logins from docker's and Podman's files and from credential helpers: which one counts, and what is broken."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.source.credentials import HelperAnswer, Login, find_login
from imgscan.source.reference import parse_reference

HUB = "https://index.docker.io/v1/"
PASSWORD = "pass" + "word" + "-1"


def auth(user: str = "user", password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def named(name: str) -> dict[str, str]:
    """An entry whose user name tells which one it was."""
    return auth(name)


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")


def no_helper(program: str, server: str) -> HelperAnswer:
    raise AssertionError(f"{program} was asked")


def login(tmp_path: Path, document: Any, target: str = "r.example/team/app", **more: Any) -> Login:
    write(tmp_path / ".docker/config.json", document)
    return find_login(parse_reference(target), environment={}, home=tmp_path, run=more.get("run", no_helper))


def user(found: Login) -> str | None:
    return found.credentials.username if found.credentials is not None else None


@pytest.mark.parametrize(
    ("keys", "target", "chosen"),
    [
        pytest.param(["r.example"], "r.example/team/app", "r.example", id="host"),
        pytest.param(["https://r.example"], "r.example/team/app", "https://r.example", id="https"),
        pytest.param(["http://r.example/v1/"], "r.example/team/app", "http://r.example/v1/", id="old-api"),
        pytest.param(["r.example/v2/"], "r.example/team/app", "r.example/v2/", id="host-with-api-path"),
        pytest.param(["https://r.example", "r.example"], "r.example/a", "r.example", id="exact-first"),
        pytest.param(["r.example", "r.example/team"], "r.example/team/app", "r.example/team", id="longest-prefix"),
        pytest.param(
            ["r.example/team", "r.example/team/app"], "r.example/team/app", "r.example/team/app", id="repository"
        ),
        pytest.param(["r.example/team"], "r.example/teamwork/app", None, id="prefix-of-a-word-is-none"),
        pytest.param(["r.example/other"], "r.example/team/app", None, id="another-namespace"),
        pytest.param(["r.example"], "r.example:5000/app", None, id="another-port"),
        pytest.param(["r.example:5000"], "r.example/app", None, id="without-the-port"),
        pytest.param(["example"], "r.example/app", None, id="part-of-a-host"),
        pytest.param(["r.example.evil"], "r.example/app", None, id="longer-host"),
        pytest.param(["r.example"], "r.example.evil/app", None, id="host-is-a-prefix"),
        pytest.param([HUB], "alpine", HUB, id="hub"),
        pytest.param(["docker.io"], "user/app", "docker.io", id="hub-podman"),
        pytest.param(["docker.io", HUB], "user/app", HUB, id="hub-dockers-key-first"),
        pytest.param(["docker.io/user", HUB], "user/app", "docker.io/user", id="hub-namespace"),
        pytest.param(["index.docker.io"], "docker.io/user/app", "index.docker.io", id="hub-index"),
        pytest.param([HUB], "r.example/app", None, id="hub-is-not-everybody"),
    ],
)
def test_which_entry_counts(keys: list[str], target: str, chosen: str | None, tmp_path: Path) -> None:
    entries = {key: {"username": key.replace(":", "_"), "password": PASSWORD} for key in keys}
    found = user(login(tmp_path, {"auths": entries}, target))
    assert found == (chosen.replace(":", "_") if chosen is not None else None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(auth("u", "p:w"), ("u", "p:w", "", ""), id="colon-in-password"),
        pytest.param(auth("u", "pä"), ("u", "pä", "", ""), id="utf-8"),
        pytest.param({"auth": base64.b64encode(b"u:p\0\0").decode()}, ("u", "p", "", ""), id="padding-of-old-versions"),
        pytest.param({"username": "u", "password": "p"}, ("u", "p", "", ""), id="in-plain"),
        pytest.param({**auth("x", "y"), "username": "u", "password": "p"}, ("u", "p", "", ""), id="plain-first"),
        pytest.param({"identitytoken": "idt", **auth("u", "")}, ("u", "", "idt", ""), id="identity-token"),
        pytest.param({"registrytoken": "rt"}, ("", "", "", "rt"), id="registry-token"),
    ],
)
def test_entries(entry: dict[str, str], expected: tuple[str, str, str, str], tmp_path: Path) -> None:
    found = login(tmp_path, {"auths": {"r.example": entry}}).credentials
    assert found is not None
    assert (found.username, found.password, found.identity_token, found.registry_token) == expected
    assert found.origin.endswith("config.json")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param("{", "no configuration", id="broken-json"),
        pytest.param("[]", "no configuration", id="no-object"),
        pytest.param("[" * 100_000, "no configuration", id="deep"),
        pytest.param({"auths": {"r.example": {"auth": "%%%"}}}, "base64", id="no-base64"),
        pytest.param({"auths": {"r.example": {"auth": base64.b64encode(b"user").decode()}}}, "no password", id="half"),
        pytest.param({"auths": {"r.example": {"username": "a:b", "password": "c"}}}, "colon", id="colon-in-user"),
        pytest.param({"auths": {"r.example": {"registrytoken": "a\r\nX: y"}}}, "characters", id="line-break-in-token"),
        pytest.param({"auths": {"r.example": {}}}, "", id="empty-entry"),
        pytest.param({"auths": {"r.example": 5}, "credHelpers": [], "credsStore": 7}, "", id="wrong-types"),
        pytest.param({"auths": [1]}, "", id="auths-is-a-list"),
        pytest.param({"credsStore": "../../bin/sh"}, "no name", id="helper-is-a-path"),
        pytest.param({"credHelpers": {"r.example": "a b"}}, "no name", id="helper-with-space"),
    ],
)
def test_what_is_broken_is_an_anonymous_login_with_a_problem(document: Any, problem: str, tmp_path: Path) -> None:
    found = login(tmp_path, document)
    assert found.credentials is None
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)


def test_no_file_at_all(tmp_path: Path) -> None:
    assert find_login(parse_reference("r.example/a"), environment={}, home=tmp_path) == Login()


def test_the_files_in_their_order(tmp_path: Path) -> None:
    places = {
        "chosen": tmp_path / "chosen.json",
        "docker": tmp_path / "docker/config.json",
        "runtime": tmp_path / "run/containers/auth.json",
        "podman": tmp_path / "xdg/containers/auth.json",
    }
    for name, path in places.items():
        write(path, {"auths": {"r.example": named(name)}})
    environment = {
        "REGISTRY_AUTH_FILE": str(places["chosen"]),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
    }
    order = []
    while (found := find_login(parse_reference("r.example/a"), environment=environment, home=tmp_path)).credentials:
        order.append(found.credentials.username)
        places[found.credentials.username].unlink()
    assert order == ["chosen", "docker", "runtime", "podman"]


def test_a_broken_file_does_not_hide_the_next_one(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", "{")
    write(tmp_path / ".config/containers/auth.json", {"auths": {"r.example": named("podman")}})
    assert user(find_login(parse_reference("r.example/a"), environment={}, home=tmp_path)) == "podman"


@pytest.mark.parametrize(
    ("document", "target", "asked"),
    [
        pytest.param({"credsStore": "x"}, "r.example:5000/a", ("docker-credential-x", "r.example:5000"), id="store"),
        pytest.param({"credsStore": "x"}, "alpine", ("docker-credential-x", HUB), id="store-hub"),
        pytest.param(
            {"credsStore": "x", "credHelpers": {"r.example": "ecr-login"}},
            "r.example/a",
            ("docker-credential-ecr-login", "r.example"),
            id="helper-of-the-host-first",
        ),
        pytest.param({"credHelpers": {HUB: "y"}}, "alpine", ("docker-credential-y", HUB), id="helper-hub"),
    ],
)
def test_which_helper_is_asked(document: Any, target: str, asked: tuple[str, str], tmp_path: Path) -> None:
    questions: list[tuple[str, str]] = []

    def run(program: str, server: str) -> HelperAnswer:
        questions.append((program, server))
        return HelperAnswer(ok=True, output=json.dumps({"Username": "u", "Secret": "s"}))

    found = login(tmp_path, document, target, run=run)
    assert (questions, user(found)) == ([asked], "u")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(HelperAnswer(ok=False, output="credentials not found in native keychain\n"), "", id="not-found"),
        pytest.param(HelperAnswer(ok=False, output="keychain is locked"), "failed", id="failed"),
        pytest.param(HelperAnswer(ok=True, output="no json"), "printed no credentials", id="no-json"),
        pytest.param(HelperAnswer(ok=True, output="[1]"), "printed no credentials", id="a-list"),
        pytest.param(HelperAnswer(ok=True, output='{"Username": "u"}'), "printed no credentials", id="no-secret"),
        pytest.param(HelperAnswer(ok=True, output='{"Username": 1, "Secret": 2}'), "printed no", id="no-texts"),
    ],
)
def test_what_helpers_answer(answer: HelperAnswer, problem: str, tmp_path: Path) -> None:
    found = login(tmp_path, {"credsStore": "x"}, run=lambda program, server: answer)
    assert found.credentials is None
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)


def test_what_the_store_does_not_have_may_be_in_the_file(tmp_path: Path) -> None:
    document = {"credsStore": "x", "auths": {"r.example": named("file")}}
    refused = HelperAnswer(ok=False, output="credentials not found in native keychain")
    assert user(login(tmp_path, document, run=lambda program, server: refused)) == "file"


def helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("script", "username", "token", "problem"),
    [
        pytest.param(
            '[ "$1" = get ] && server=$(cat) && printf \'{"Username":"%s","Secret":"s"}\' "$server"',
            "r.example",
            "",
            "",
            id="answers",
        ),
        pytest.param('printf \'{"Username":"<token>","Secret":"idt"}\'', "", "idt", "", id="identity-token"),
        pytest.param("echo credentials not found in native keychain; exit 1", None, "", "", id="has-none"),
        pytest.param("echo oops >&2; exit 3", None, "", "docker-credential-fake failed", id="fails"),
        pytest.param(None, None, "", "not on PATH", id="is-not-there"),
    ],
)
def test_a_real_helper(
    script: str | None,
    username: str | None,
    token: str,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if script is not None:
        helper(tmp_path, "fake", script)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    write(tmp_path / ".docker/config.json", {"credHelpers": {"r.example": "fake"}})
    found = find_login(parse_reference("r.example/app"), environment={}, home=tmp_path)
    assert user(found) == username
    assert (found.credentials.identity_token if found.credentials else "") == token
    assert problem in found.problem


def test_secrets_are_not_in_reprs(tmp_path: Path) -> None:
    found = login(tmp_path, {"auths": {"r.example": {**auth(), "identitytoken": "id" + "token"}}})
    assert PASSWORD not in repr(found)
    assert "idtoken" not in repr(found)
    assert found.credentials is not None
    assert set(found.credentials.secrets) >= {PASSWORD, "idtoken", auth()["auth"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["auths", "r.example", "auth", "username", "password", "credsStore"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_file_is_an_error(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    folder = tmp_path_factory.mktemp("home")
    refused = HelperAnswer(ok=False, output="")
    login(folder, document if document is not None else "null", run=lambda program, server: refused)
