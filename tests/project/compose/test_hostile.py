"""Compose files that want to hurt: bombs, circles, depth, size, ways out of the tree. All bounded, all told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from setups import setup_of, write_files

from imgscan.errors import InputError
from imgscan.project.compose.records import ComposeProject
from imgscan.project.setup import read_setup

_LAUGHS = "x0: &x0 [a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
_MERGES = (
    "x0: &x0 {"
    + ", ".join(f"k{n}: 1" for n in range(500))
    + "}\n"
    + "".join(f"y{n}: {{<<: *x0}}\n" for n in range(2_000))
)
_CHAIN = "services:\n  s0: {image: a}\n" + "".join(
    f"  s{n}: {{extends: s{n - 1}}}\n" for n in reversed(range(1, 3_000))
)
_LIMITS = {
    "alias-bomb": _LAUGHS,
    "merge-bomb": _MERGES,
    "deep-flow": "x: " + "[" * 200_000,
    "deep-block": "\n".join(" " * n + "x:" for n in range(300)),
    "many-values": "x: [" + "1, " * 300_000 + "1]\n",
    "many-documents": "---\nx: &a [" + "1, " * 200 + "1]\n" + ("---\nx: [" + "1, " * 200 + "1]\n") * 800,
    "extends-chain": _CHAIN,
    "nested-operands": "services: {a: {image: '" + "${A:-" * 300 + "x" + "}" * 300 + "'}}\n",
    "open-operands": "services: {a: {image: '" + "${A:-" * 100_000 + "'}}\n",
    "many-references": "services: {a: {image: '" + "$A" * 300_000 + "'}}\n",
    "large": "x: '" + "a" * (10 << 20) + "'\n",
    "ports": "services: {" + ", ".join(f"s{n}: {{image: a, ports: ['1-60000:1-60000']}}" for n in range(500)) + "}\n",
}


_KEYS = [
    "image", "build", "command", "entrypoint", "environment", "env_file", "ports", "expose", "volumes", "networks", "network_mode", "depends_on", "healthcheck", "restart", "init", "stop_grace_period", "profiles", "extra_hosts", "container_name", "hostname", "links", "secrets", "user", "working_dir", "privileged", "labels", "deploy", "scale", "tmpfs", "extends", "logging", "configs", "cap_add",
]  # fmt: skip


def one(files: dict[str, str]) -> ComposeProject:
    (project,) = setup_of(files).composes
    return project


@pytest.mark.parametrize("name", _LIMITS)
def test_bounded_and_told(name: str) -> None:
    start = time.process_time()
    project = one({"compose.yml": _LIMITS[name]})
    assert time.process_time() - start < 20
    assert {problem.kind for problem in project.problems} & {"limit", "interpolation", "schema"}


def test_recursive_anchor() -> None:
    project = one({"compose.yml": "services: &s\n  a: {image: a, labels: *s}\n"})
    assert [(problem.kind, problem.at.line) for problem in project.problems] == [("yaml", 2)]


def test_include_that_doubles() -> None:
    files = {f"c{n}.yml": f"include: [c{n + 1}.yml, ./c{n + 1}.yml]\n" for n in range(30)}
    files |= {"c30.yml": "services: {z: {image: z}}\n", "compose.yml": "include: [c0.yml]\n"}
    project = one(files)
    assert "limit" in {problem.kind for problem in project.problems}


@pytest.mark.parametrize(
    "text",
    [
        "include: ['../other/compose.yml']\nservices: {a: {image: a}}\n",
        "include: [{path: '/etc/passwd'}]\nservices: {a: {image: a}}\n",
        "include: ['https://example.org/x.git']\nservices: {a: {image: a}}\n",
        "services: {a: {image: a, extends: {file: /etc/passwd, service: x}}}\n",
        "services: {a: {image: a, extends: {file: ../x.yml, service: x}}}\n",
    ],
)
def test_nothing_outside_is_read(tmp_path: Path, text: str) -> None:
    write_files(
        tmp_path, {"other/compose.yml": "services: {stolen: {image: s}}\n", "x.yml": "services: {x: {image: s}}\n"}
    )
    project = setup_of({"compose.yml": text}, tmp_path / "project").composes[0]
    assert set(project.services) == {"a"}
    assert project.read == ("compose.yml",)
    assert project.problems


def test_paths_that_leave_the_tree() -> None:
    project = one(
        {
            "compose.yml": """
                services:
                  a:
                    build: {context: ../.., dockerfile: /etc/passwd}
                    env_file: [/etc/environment, ../../.env, "~/.env", ok.env]
                    volumes: ["../../x:/x", "/etc:/etc", "./in:/in"]
                secrets: {s: {file: ../../../etc/shadow}}
                """,
            "ok.env": "A=1\n",
        }
    )
    service = project.services["a"]
    assert service.build is not None
    assert (service.build.context, service.build.dockerfile) == (None, None)
    assert [file.path for file in service.env_files] == [None, None, None, "ok.env"]
    assert [mount.source for mount in service.mounts] == ["../../x", "/etc", "in"]
    assert project.secrets["s"].file == "../../../etc/shadow"


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = write_files(
        tmp_path / "outside", {"secret.env": "STOLEN=1\n", "compose.yml": "services: {s: {image: s}}\n"}
    )
    root = write_files(
        tmp_path / "project",
        {
            "compose.yml": "include: [link/compose.yml]\nservices: {a: {build: ./link, env_file: [link/secret.env, one.env]}}\n"
        },
    )
    (root / "link").symlink_to(outside)
    (root / "one.env").symlink_to(outside / "secret.env")
    (root / ".env").symlink_to(outside / "secret.env")
    setup = read_setup(root)
    (project,) = setup.composes
    assert set(project.services) == {"a"}
    assert project.services["a"].build is not None
    assert project.services["a"].build.context is None
    assert "STOLEN" not in project.values
    assert setup.envs == ()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00s",
        b'services: {a: {image: "\x80\xff"}}\n',
        b"\x00\x01",
        b"\xef\xbb\xbfservices: {a: {image: a}}\n",
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "compose.yml").write_bytes(data)
    (tmp_path / ".env.example").write_bytes(data)
    assert len(read_setup(tmp_path).composes) == 1


def test_wrong_types_everywhere() -> None:
    for value in (
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{a: {b: [c]}}",
        "1",
        "null",
        "true",
        "[null, 1, {a: null}]",
        "''",
        "{test: []}",
    ):
        lines = "".join(f"      {key}: {value}\n" for key in _KEYS)
        setup_of(
            {
                "compose.yml": f"services:\n  a:\n{lines}volumes: {value}\nnetworks: {value}\nsecrets: {value}\nname: {value}\n"
            }
        )
        over = f"services:\n  a:\n{lines}"
        setup_of({"compose.yml": over, "compose.override.yml": over.replace(value, "{x: [1]}")})


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError):
        setup_of({"compose.yml": "services: {a: {image: a}}\n"}, compose_files=["nope.yml"])
