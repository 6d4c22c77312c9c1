"""Calls to docker and compose, taken apart as their own command lines do it; and what stands in the way to them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.data.removal import Removal, Removes, removal
from imgscan.project.shell.enginewords import engine_call
from imgscan.project.shell.peel import programs, strip_prefixes
from imgscan.project.shell.records import ShellKind
from imgscan.project.shell.text import Snippet, read_text

REMOVALS = {
    "docker compose down -v": Removes.MANAGED,
    "docker-compose -f a.yml -p x down --volumes": Removes.MANAGED,
    "podman compose down -v": Removes.MANAGED,
    "podman-compose down -v": Removes.MANAGED,
    "/usr/bin/docker --context x compose down -v": Removes.MANAGED,
    "docker compose --profile a down -t5 -v": Removes.MANAGED,
    "docker compose down -vt 5": Removes.MANAGED,
    "docker compose down --rmi=all --volumes=1": Removes.MANAGED,
    "docker compose down web -v": Removes.MANAGED,
    "docker compose rm -sfv web": Removes.ANONYMOUS,
    "docker compose up -dV": Removes.ANONYMOUS,
    "docker volume rm -f a b": Removes.NAMED,
    "docker volume remove a": Removes.NAMED,
    "docker volume prune -f": Removes.UNUSED,
    "docker system prune --all --volumes --force": Removes.UNUSED,
    "docker compose down": None,
    "docker compose down --volumes=false": None,
    "docker compose down -t -v": None,
    "docker compose down --rmi -v": None,
    "docker compose down -- -v": None,
    "docker compose -p -v down": None,
    "docker compose --dry-run down -v": None,
    "docker compose down -v --dry-run": None,
    "docker compose down --help -v": None,
    "docker compose exec db rm -v": None,
    "docker compose run -v a:/b web down -v": None,
    "docker compose logs -v": None,
    "docker system prune -af": None,
    "docker volume ls -v": None,
    "docker run --rm -v a:/b alpine": None,
    "docker compose": None,
    "docker": None,
    "kubectl down -v": None,
}


@pytest.mark.parametrize("line", REMOVALS)
def test_what_is_removed(line: str) -> None:
    call = engine_call(shlex.split(line))
    found = removal(call) if call is not None else None
    assert (found.removes if found else None) is REMOVALS[line]


def test_names_of_volumes_are_kept() -> None:
    call = engine_call(["docker", "volume", "rm", "-f", "a", "\0"])
    assert call is not None
    assert removal(call) == Removal(Removes.NAMED, ("a", "\0"))


PREFIXED = {
    "sudo -u root docker ps": "docker ps",
    "env A=1 B=2 docker ps": "docker ps",
    "exec docker ps": "docker ps",
    "timeout -k 5 10 docker ps": "docker ps",
    "nice -n 10 sudo env X=1 docker ps": "docker ps",
    "xargs -r -n 1 docker ps": "docker ps",
    "flock -n /tmp/l docker ps": "docker ps",
    "sudo": "",
    "docker ps": "docker ps",
}


@pytest.mark.parametrize("line", PREFIXED)
def test_prefixes_go(line: str) -> None:
    assert strip_prefixes(shlex.split(line)) == shlex.split(PREFIXED[line])


INNER = {
    "docker exec -i db pg_dump app": [("docker", []), ("pg_dump", ["exec"])],
    "docker compose -f a exec -T db sh -c 'cd /x && pg_dump app | gzip'": [
        ("docker", []),
        ("cd", ["exec"]),
        ("pg_dump", ["exec"]),
        ("gzip", ["exec"]),
    ],
    "sh -c 'docker compose down -v'": [("docker", [])],
    "ssh -p 22 host 'docker exec db pg_dump app'": [("docker", []), ("pg_dump", ["exec"])],
    "docker run --rm -v v:/d --entrypoint tar alpine cf /b /d": [("docker", []), ("tar", ["run"])],
    "docker exec a docker exec b psql": [("docker", []), ("docker", ["exec"]), ("psql", ["exec", "exec"])],
    'bash -c "$X"': [("\0", [])],
}


@pytest.mark.parametrize("line", INNER)
def test_programs_inside(line: str) -> None:
    text = read_text(Snippet(file="x", name="x", kind=ShellKind.SCRIPT, line=1, text=line))
    found = programs(text.calls[0], text.forwards)
    inner = [(one.name, [call.verb for call in one.through]) for one in found]
    assert inner == INNER[line]


def test_another_machine_is_known() -> None:
    text = read_text(Snippet(file="x", name="x", kind=ShellKind.SCRIPT, line=1, text="ssh host docker compose down -v"))
    assert [one.remote for one in programs(text.calls[0])] == [True]


def test_options_of_an_inner_shell_hold_inside() -> None:
    line = "docker exec db bash -o pipefail -ec 'pg_dump a | gzip > b'"
    text = read_text(Snippet(file="x", name="x", kind=ShellKind.SCRIPT, line=1, text=line))
    dump = next(one for one in programs(text.calls[0]) if one.name == "pg_dump")
    assert dump.inner is not None
    assert dump.inner.options == {"pipefail", "errexit"}
    assert [call.place for call in dump.siblings] == [0, 1]


@given(st.lists(st.text(alphabet="-vdownrmt=/ \0x", max_size=8), max_size=8))
def test_no_words_are_too_odd(words: list[str]) -> None:
    for first in ("docker", "docker-compose"):
        call = engine_call([first, *words])
        assert call is not None
        removal(call)
    strip_prefixes(["sudo", *words])
