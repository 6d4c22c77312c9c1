"""One registry for many repositories: what is known of the host is asked for once."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from webserver import Asked, Reply, serving

from imgscan.errors import EngineError, InputError
from imgscan.source.backoff import Effects
from imgscan.source.credentials import HelperAnswer
from imgscan.source.reference import parse_reference
from imgscan.source.registryhost import RegistryHost

USER, PASSWORD = "us" + "er", "pass" + "word" + "-9"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
QUICK = Effects(sleep=lambda _: None)


def behind_basic(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != BASIC and asked.path != "/v2/":
        return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
    return Reply(body=json.dumps({"tags": ["1"], "repositories": ["a"]}).encode())


def test_a_helper_and_the_scheme_are_asked_once(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def helper(program: str, server: str) -> HelperAnswer:
        asked.append((program, server))
        return HelperAnswer(ok=True, output=json.dumps({"Username": USER, "Secret": PASSWORD}))

    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"credsStore": "fake"}')
    with serving(behind_basic) as server:
        with RegistryHost(server.host, environment={}, home=tmp_path, effects=QUICK, run=helper) as registry:
            pages = registry.client(registry.catalogue).repository_pages()
            assert pages is not None
            assert list(pages) == [("a",)]
            references = [parse_reference(f"{server.host}/r{number}:1") for number in range(20)]
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda one: list(registry.client(one).tag_pages()), references))
        assert found == [[("1",)]] * 20
        # Whether it speaks TLS shows without a request that is answered.
        assert {path for path in server.paths() if "tags" in path} == {
            f"/v2/r{number}/tags/list" for number in range(20)
        }
        assert asked == [("docker-credential-fake", server.host)]


def test_a_token_for_the_catalogue_has_its_own_scope(tmp_path: Path) -> None:
    host = ""

    def respond(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(body=b'{"token": "t"}')
        if asked.headers.get("authorization") == "Bearer t":
            return Reply(body=b'{"repositories": []}')
        return Reply(status=401, headers={"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="s"'})

    with serving(respond) as server:
        host = server.host
        with RegistryHost(host, environment={}, home=tmp_path, effects=QUICK) as registry:
            pages = registry.client(registry.catalogue).repository_pages()
            assert pages is not None
            assert list(pages) == [()]
        (asked,) = [asked for asked in server.asked if asked.path == "/token"]
    assert asked.query["scope"] == ["registry:catalog:*"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses access to its catalogue"),
        (403, "refuses access to its catalogue"),
        (400, "does not hand out its catalogue"),
    ],
)
def test_refusals_name_the_catalogue(status: int, words: str, tmp_path: Path) -> None:
    with (
        serving(lambda _: Reply(status=status)) as server,
        RegistryHost(server.host, environment={}, home=tmp_path, effects=QUICK) as registry,
        pytest.raises(EngineError, match=words),
    ):
        registry.client(registry.catalogue).repository_pages()


def test_no_host() -> None:
    with pytest.raises(InputError):
        RegistryHost("no host")
