"""What calls of engines ask for, by pflag's grammar."""

from __future__ import annotations

import shlex

import pytest

from imgscan.project.data.spellings import SPELLINGS
from imgscan.verify.commandline import destroys_volumes, read_call


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker compose down", False),
        ("docker compose down -v", True),
        ("docker compose down -vt0", True),
        ("docker compose down -tv0", False),  # the value of -t is v0
        ("docker compose down -t 0 -v", True),
        ("docker compose down -t -v", False),  # the value of -t is -v
        ("docker compose down --volumes=false", False),
        ("docker compose down -v=true", True),
        ("docker compose down -v --volumes=false", False),  # the last word counts
        ("docker compose down --rmi local --volumes", True),
        ("docker compose down -- -v", False),  # a service of that name
        ("docker compose --profile * down -v", True),
        ("docker compose -p down ps -v", False),
        ("docker --context x compose -f a.yml down db -v", True),
        ("docker-compose -f docker/a.yml down --volumes", True),
        ("docker-compose volume prune -f", False),  # no verb of compose
        ("docker volume rm data", True),
        ("docker volume prune -f", True),
        ("docker volume ls", False),
        ("docker system prune", False),
        ("docker system prune -af --volumes", True),
        ("docker compose up -V", False),  # anonymous volumes
        ("docker compose run app down -v", False),
        ("docker compose exec app sh -c 'down -v'", False),
        ("podman compose down -v", True),
        ("docker", False),
    ],
    ids=str,
)
def test_destroys_volumes(text: str, expected: bool) -> None:
    program, *words = shlex.split(text)
    assert destroys_volumes(read_call(program, words)) is expected


def test_the_spellings_are_eighteen_of_which_thirteen_destroy() -> None:
    assert len(SPELLINGS) == len(set(SPELLINGS)) == 18
    assert sum(destroys_volumes(read_call("docker-compose", spelling.words)) for spelling in SPELLINGS) == 13


def test_exec_keeps_the_words_of_the_program() -> None:
    call = read_call("docker", ["exec", "-i", "-e", "A=b", "db", "psql", "-U", "x", "-v", "ON=1"])
    assert call.operands == ("db", "psql", "-U", "x", "-v", "ON=1")
    assert call.flags == (("-i", None), ("-e", "A=b"))
