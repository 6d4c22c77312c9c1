"""Where engines are looked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from imgscan.endpoint import Endpoint, advise, find_endpoints


def context(home: Path, name: str, endpoint: dict[str, Any] | str, *, current: bool = True) -> Path:
    docker = home / ".docker"
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = docker / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
    if current:
        (docker / "config.json").write_text(json.dumps({"currentContext": name}))
    return docker / "contexts" / "tls" / key / "docker"


def test_what_the_caller_gives_is_the_only_one(tmp_path: Path) -> None:
    found = find_endpoints("tcp://a:1", {"DOCKER_HOST": "tcp://b:2"}, tmp_path)
    assert found == (Endpoint(host="tcp://a:1", origin="given", tls_verify=False),)


def test_docker_host_comes_before_the_context(tmp_path: Path) -> None:
    context(tmp_path, "work", {"Host": "ssh://work"})
    found = find_endpoints(None, {"DOCKER_HOST": "unix:///x.sock"}, tmp_path)
    assert [(e.host, e.origin, e.tls_dir) for e in found] == [("unix:///x.sock", "DOCKER_HOST", None)]


def test_tls_of_the_environment(tmp_path: Path) -> None:
    environment = {"DOCKER_HOST": "tcp://a:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    (found,) = find_endpoints(None, environment, tmp_path)
    assert (found.tls_dir, found.tls_verify) == (tmp_path, True)


@pytest.mark.parametrize("by_environment", [False, True], ids=["config", "DOCKER_CONTEXT"])
def test_the_current_context(tmp_path: Path, by_environment: bool) -> None:
    tls = context(tmp_path, "work", {"Host": "tcp://work:2376", "SkipTLSVerify": True}, current=not by_environment)
    tls.mkdir(parents=True)
    environment = {"DOCKER_CONTEXT": "work"} if by_environment else {}
    assert find_endpoints(None, environment, tmp_path) == (
        Endpoint(host="tcp://work:2376", origin="docker context work", tls_dir=tls, tls_verify=False),
    )


def test_the_usual_sockets_in_order(tmp_path: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": "/run/user/7", "CONTAINER_HOST": "unix:///podman.sock"}
    hosts = [endpoint.host for endpoint in find_endpoints(None, environment, tmp_path)]
    assert hosts[:3] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        f"unix://{tmp_path}/.docker/run/docker.sock",
    ]
    assert hosts[-1] == "unix:///podman.sock"
    assert "unix:///run/podman/podman.sock" in hosts


@pytest.mark.parametrize(
    "config",
    [
        '{"currentContext": "default"}',
        '{"currentContext": 3}',
        '{"currentContext": "gone"}',
        "{",
        "[]",
        "[" * 100_000,
        '{"currentContext": "../../etc"}',
        "\xff",
    ],
)
def test_a_broken_configuration_is_as_none(tmp_path: Path, config: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(config, encoding="latin-1")
    assert find_endpoints(None, {}, tmp_path)[0].host == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("endpoint", ["text", {"Host": 3}, {"Host": ""}, {}])
def test_a_context_without_a_host_is_as_none(tmp_path: Path, endpoint: Any) -> None:
    context(tmp_path, "odd", endpoint)
    assert len(find_endpoints(None, {}, tmp_path)) > 1


@pytest.mark.parametrize(
    ("tried", "words"),
    [
        (["/var/run/docker.sock: permission denied"], "usermod"),
        (["/var/run/docker.sock: connection refused"], "start the engine"),
        (["tcp://127.0.0.1:1 (DOCKER_HOST): connection refused"], "correct DOCKER_HOST"),
        (["tcp://127.0.0.1:1 (docker context work): connection refused"], "docker context use"),
        (["tcp://x (DOCKER_HOST): name not known"], "DOCKER_HOST"),
        (["/var/run/docker.sock (not there)"], "install"),
    ],
)
def test_advice(tried: list[str], words: str) -> None:
    assert words in advise(tried)
