"""What of a tree is the project's own set-up: compose files, scripts and examples of variables."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.project.tree import is_aside

_COMPOSE = "services:\n  db:\n    image: postgres:16\n"
_SCRIPT = "#!/bin/sh\ndocker compose down -v\n"


@pytest.mark.parametrize(
    ("path", "aside"),
    [
        ("compose.yaml", False),
        ("docker/compose.yaml", False),
        ("example-voting-app/compose.yaml", False),
        ("test-service/compose.yaml", False),
        ("latest/compose.yaml", False),
        ("contest/compose.yaml", False),
        ("examples", False),
        ("examples.sh", False),
        ("examples/web/compose.yaml", True),
        ("sample_images/web/compose.yaml", True),
        ("packages/api/tests/compose.yaml", True),
        ("integration-tests/compose.yaml", True),
        ("src/__tests__/run.sh", True),
        ("e2e/compose.yaml", True),
        ("docs/compose.yaml", True),
        ("Demo/compose.yaml", True),
        ("test_data/x/.env.example", True),
    ],
)
def test_a_folder_of_examples_or_tests_is_aside_by_its_name(path: str, *, aside: bool) -> None:
    assert is_aside(path) is aside


def test_a_folder_that_is_looked_at_is_not_aside_but_what_is_below_it_is() -> None:
    assert not is_aside("examples/web/compose.yaml", ("examples/web",))
    assert not is_aside("examples/web/run.sh", ("", "examples/web"))
    assert is_aside("examples/web/tests/run.sh", ("examples/web",))
    assert is_aside("examples/website/run.sh", ("examples/web",))


_TREE = {
    "compose.yaml": _COMPOSE,
    "run.sh": _SCRIPT,
    ".env.example": "A=1\n",
    "docs/restore.md": "```sh\ndocker compose down\n```\n",
    "docs/compose.yaml": _COMPOSE,
    "examples/web/compose.yaml": _COMPOSE,
    "examples/web/run.sh": _SCRIPT,
    "examples/web/.env.example": "B=1\n",
    "examples/web/tests/run.sh": _SCRIPT,
    "tests/compose.yaml": _COMPOSE,
    "docker-compose.test.yml": _COMPOSE,
    "compose.e2e-local.yaml": _COMPOSE,
    "tests/run.sh": _SCRIPT,
    "tests/.env.example": "C=1\n",
}


def test_examples_and_tests_are_not_the_projects_own() -> None:
    setup = setup_of(_TREE)
    assert [project.files for project in setup.composes] == [("compose.yaml",)]
    assert {text.file for text in setup.shells} == {"run.sh", "docs/restore.md"}
    assert [env.path for env in setup.envs] == [".env.example"]


def test_what_is_named_is_looked_at_with_what_stands_beside_it() -> None:
    setup = setup_of(_TREE, compose_files=["examples/web/compose.yaml"])
    assert [project.files for project in setup.composes] == [("examples/web/compose.yaml",)]
    assert {text.file for text in setup.shells} == {"run.sh", "docs/restore.md", "examples/web/run.sh"}
    assert [env.path for env in setup.envs] == [".env.example", "examples/web/.env.example"]


def test_a_root_that_is_such_a_folder_itself_is_looked_at(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("tests") / "examples"
    root.mkdir()
    assert [project.files for project in setup_of({"compose.yaml": _COMPOSE}, root).composes] == [("compose.yaml",)]
