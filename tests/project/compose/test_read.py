"""Compose projects of a tree: which files, which variables, what a service has, where things stand."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.project.compose.records import ComposeProject
from imgscan.project.compose.services import service_environment

ONE = "services: {a: {image: a}}\n"


def projects(files: dict[str, str]) -> list[tuple[str, ...]]:
    return [project.files for project in setup_of(files).composes]


def only(files: dict[str, str], **options: list[str]) -> ComposeProject:
    (project,) = setup_of(files, **options).composes  # type: ignore[arg-type]
    return project


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["compose.yaml"], [("compose.yaml",)]),
        (["docker-compose.yml", "compose.yml"], [("compose.yml",)]),
        (["compose.yml", "compose.override.yml"], [("compose.yml", "compose.override.yml")]),
        (
            ["docker-compose.yml", "docker-compose.override.yaml"],
            [("docker-compose.yml", "docker-compose.override.yaml")],
        ),
        (["a/b/c/compose.yml"], [("a/b/c/compose.yml",)]),
        (["a/b/c/d/compose.yml"], []),
        (["node_modules/x/compose.yml"], []),
        (["docker-compose.prod.yml"], [("docker-compose.prod.yml",)]),
        (["compose-dev.yaml", "config.yaml"], [("compose-dev.yaml",)]),
    ],
)
def test_found_by_name(names: list[str], found: list[tuple[str, ...]]) -> None:
    assert projects(dict.fromkeys(names, ONE)) == found


def test_variants_go_over_their_neighbour() -> None:
    files = {"compose.yml": ONE, "compose.dev.yml": "services: {a: {ports: ['1:1']}}\n", "compose.ci.yml": ONE}
    assert projects(files) == [("compose.yml",), ("compose.ci.yml",), ("compose.yml", "compose.dev.yml")]


def test_files_that_only_declare() -> None:
    files = {
        "docker/compose.yml": ONE,
        "docker/volumes.yml": "volumes: {v: }\n",
        "docker/prometheus.yml": "global: {}\n",
    }
    assert projects(files) == [("docker/compose.yml",), ("docker/volumes.yml",)]


def test_files_named_by_a_file_of_variables() -> None:
    files = {
        ".env": "COMPOSE_FILE=docker/compose.yml:docker/two.yml\nV=root\n",
        "docker/compose.yml": "services: {a: {image: 'x:${V}-${W}'}}\n",
        "docker/two.yml": "services: {a: {labels: {a: b}}}\n",
        "docker/.env": "W=docker\nV=docker\n",
    }
    project = setup_of(files).composes[0]
    assert (project.files, project.directory) == (("docker/compose.yml", "docker/two.yml"), "docker")
    image = project.services["a"].image
    assert image is not None
    assert image.value == "x:root-docker"


def test_named_files() -> None:
    files = {"compose.yml": ONE, "x/one.yml": ONE, "two.yml": "services: {a: {image: b}}\n"}
    project = only(files, compose_files=["x/one.yml", "two.yml"])
    assert (project.files, project.directory, project.declared) == (("x/one.yml", "two.yml"), "x", True)
    assert project.services["a"].image is not None
    assert project.services["a"].image.value == "b"


def test_variables_have_places() -> None:
    text = 'services:\n  a:\n    image: \'x:${TAG:-1}\'\n    command: ["${A}", "$A"]\n'
    variables = only({"compose.yml": text, ".env": "A=1\n"}).variables
    assert [(v.name, v.operator, v.operand, v.value, v.source, v.path, v.at.line) for v in variables] == [
        ("TAG", ":-", "1", None, None, "services.a.image", 3),
        ("A", "", "", "1", ".env", "services.a.command.[]", 4),
        ("A", "", "", "1", ".env", "services.a.command.[]", 4),
    ]
    assert [text[v.at.start : v.at.end] for v in variables] == ["${TAG:-1}", "${A}", "$A"]


def test_an_example_stands_in() -> None:
    files = {"docker/compose.yml": "services: {a: {image: '${A}${B}'}}\n", ".env.example": "A=1\n"}
    project = only(files)
    assert (project.env_file, project.example) == (None, ".env.example")
    image = project.services["a"].image
    assert image is not None
    assert (image.value, image.raw, image.unset) == ("1", "${A}${B}", ("B",))
    assert [variable.stands_in for variable in project.variables] == [True, False]
    files["docker/.env"] = "B=2\n"
    project = only(files)
    image = project.services["a"].image
    assert image is not None
    assert (image.value, image.unset, project.env_file) == ("2", ("A",), "docker/.env")


def test_a_required_variable_is_fatal_only_with_a_file() -> None:
    text = "services: {a: {image: '${A:?}'}}\n"
    assert [problem.fatal for problem in only({"compose.yml": text}).problems] == [False]
    assert [problem.fatal for problem in only({"compose.yml": text, ".env": "B=1\n"}).problems] == [True]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("services:\n  a:\n    image: a\n    prots: []\n", 4, "additional properties 'prots' not allowed"),
        ("services:\n  a:\n    image: a\n    environment:\n      - 1\n", 5, "must be a string"),
        (
            "services:\n  a:\n    image: a\n    depends_on:\n      b: {condition: ready}\n  b: {image: b}\n",
            5,
            "must be one of",
        ),
        ("services:\n  a:\n    image: a\n    ports:\n      - '1:1'\n      - 'x:80'\n", 6, "invalid hostPort"),
        ("services:\n  a:\n    image: a\n    stop_grace_period: soon\n", 4, "invalid duration"),
        ("services:\n  a:\n    image: a\n    networks: [n]\n", 4, "undefined network n"),
        ("services:\n  a: {command: x}\n", 2, "neither an image nor a build context"),
    ],
)
def test_problems_have_places(text: str, line: int, says: str) -> None:
    (problem,) = only({"compose.yml": text}).problems
    assert says in problem.message
    assert (problem.at.line, problem.fatal) == (line, True)


def test_no_value_in_a_message() -> None:
    secret = "hunter" + "2hunter2"
    text = (
        f"services: {{a: {{image: a, environment: {{PASSWORD: [{secret}]}}, ports: [{{target: {{x: {secret}}}}}]}}}}\n"
    )
    assert not any(secret in problem.message for problem in only({"compose.yml": text}).problems)


def test_what_hangs_on_an_unset_variable_is_no_problem() -> None:
    text = (
        "services: {a: {image: a, ports: ['${P}:80', '1:${Q}'], depends_on: {b: {condition: '${C}'}}}, b: {image: b}}\n"
    )
    assert [problem for problem in only({"compose.yml": text}).problems if problem.fatal] == []


def test_the_environment_of_a_service() -> None:
    files = {
        "compose.yml": "services: {a: {image: a, env_file: [one.env, two.env], environment: [B=compose, C, D]}}\n",
        "one.env": "A=one\nB=one\nE=${D}\n",
        "two.env": "A=two\nF=$A\n",
        ".env": "D=dotenv\n",
    }
    setup = setup_of(files)
    project = setup.composes[0]
    found = service_environment(project.services["a"], setup.tree, project.values)
    assert found == {
        "A": ("two", "two.env"),
        "B": ("compose", "compose.yml"),
        "E": ("dotenv", "one.env"),
        "F": ("two", "two.env"),
        "C": (None, "compose.yml"),
        "D": ("dotenv", "compose.yml"),
    }


@pytest.mark.parametrize(
    ("files", "name", "volume"),
    [
        ({"compose.yml": ONE + "volumes: {v: }\n"}, None, None),
        ({"compose.yml": "name: My App\n" + ONE + "volumes: {v: }\n"}, "myapp", "myapp_v"),
        ({"compose.yml": ONE + "volumes: {v: }\n", ".env": "COMPOSE_PROJECT_NAME=one\n"}, "one", "one_v"),
        ({"docker/compose.yml": ONE + "volumes: {v: }\n"}, None, "docker_v"),
        ({"compose.yml": ONE + "volumes: {v: {name: '${X}'}}\n"}, None, None),
        ({"compose.yml": ONE + "volumes: {v: {external: true}}\n"}, None, "v"),
    ],
)
def test_names(files: dict[str, str], name: str | None, volume: str | None) -> None:
    project = only(files)
    assert (project.name and project.name.value, project.volumes["v"].real_name) == (name, volume)


def test_profiles() -> None:
    files = {"compose.yml": "services: {a: {image: a}, b: {image: b, profiles: [p], depends_on: [nobody]}}\n"}
    assert [service.active for service in only(files).services.values()] == [True, False]
    assert only(files).problems == ()
    project = only(files, profiles=["p"])
    assert [service.active for service in project.services.values()] == [True, True]
    assert len(project.problems) == 1


def test_short_and_long_dependencies() -> None:
    files = {
        "compose.yml": "services: {a: {image: a, depends_on: [b, c]}, b: {image: b}, c: {image: c}}\n",
        "compose.override.yml": "services: {a: {depends_on: {c: {condition: service_healthy}}}}\n",
    }
    depends = only(files).services["a"].depends_on
    assert {name: (one.short, one.condition, one.at.file) for name, one in depends.items()} == {
        "b": (True, "service_started", "compose.yml"),
        "c": (False, "service_healthy", "compose.override.yml"),
    }
