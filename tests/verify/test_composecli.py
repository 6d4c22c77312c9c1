"""Compose as it may lie about on machines: programs of the test's own on a PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgscan.verify.composecli import clean_environment, find_compose


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def found(tmp_path: Path, **more: str) -> tuple[str, ...] | None:
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": f"{tmp_path}/home", **more}
    program(tmp_path / "bin/docker", "exit 1") if not (tmp_path / "bin/docker").exists() else None
    compose = find_compose("unix:///nowhere.sock", environment)
    return None if compose is None else (compose.command[0].removeprefix(f"{tmp_path}/"), *compose.command[1:])


@pytest.mark.parametrize(
    ("place", "text", "expected"),
    [
        ("bin/docker", '[ "$1" = compose ] && echo 2.26.1-4', ("bin/docker", "compose")),
        ("home/.docker/cli-plugins/docker-compose", "echo v2.40.3", ("home/.docker/cli-plugins/docker-compose",)),
        ("config/cli-plugins/docker-compose", "echo 5.0.1", ("config/cli-plugins/docker-compose",)),
        ("bin/docker-compose", "echo 2.1.0", ("bin/docker-compose",)),
        ("bin/docker-compose", "echo 1.29.2", None),
        ("bin/docker-compose", "echo nonsense", None),
        ("bin/docker-compose", "echo 2.1.0; exit 1", None),
    ],
    ids=["plugin", "home", "config", "alone", "version-1", "no-version", "fails"],
)
def test_find_compose(tmp_path: Path, place: str, text: str, expected: tuple[str, ...] | None) -> None:
    program(tmp_path / place, text)
    more = {"DOCKER_CONFIG": f"{tmp_path}/config"} if place.startswith("config") else {}
    assert found(tmp_path, **more) == expected


def test_nothing_of_the_callers_changes_what_a_project_means() -> None:
    given = {"PATH": "/bin", "HOME": "/h", "COMPOSE_FILE": "x", "COMPOSE_PROFILES": "y", "TAG": "z", "DOCKER_HOST": "w"}
    made = clean_environment("unix:///s", given)
    assert made["DOCKER_HOST"] == "unix:///s"
    assert not {"COMPOSE_FILE", "COMPOSE_PROFILES", "TAG"} & made.keys()
