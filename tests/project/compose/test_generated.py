"""Generated scalars of every kind that has a grammar of its own, against docker compose 2.40: what it makes of them,
and whether it takes them at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from composes import compose_config, differences, view_of_compose, view_of_ours
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from setups import write_files

from imgscan.project.compose.read import read_project
from imgscan.project.tree import read_tree

pytestmark = pytest.mark.tools
# The same examples in every run: what a new one shows goes into the tables.
RUN = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
VALUES = "SET=value\nEMPTY=\nB=b\n"


def check(service: Mapping[str, object], env: str = VALUES, more: Mapping[str, object] | None = None) -> None:
    """One service, written as JSON (which is YAML), read by both."""
    text = json.dumps({"services": {"a": {"image": "i", **service}}, **(more or {})}, ensure_ascii=False)
    with tempfile.TemporaryDirectory() as folder:
        root = write_files(Path(folder) / "project", {".env": env})
        (root / "compose.yml").write_text(text, encoding="utf-8")
        config, said = compose_config(root, ["compose.yml"])
        tree = read_tree(root)
        project = read_project(tree, ["compose.yml"])
        refused = [problem.message for problem in project.problems if problem.fatal]
        if config is None:
            assert refused, said
        else:
            assert not refused, refused
            assert differences(view_of_ours(project, tree, root), view_of_compose(config, root)) == []


def pieces(*words: str, most: int = 8) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words), max_size=most).map("".join)


TEMPLATES = pieces(
    "$", "${", "}", ":-", "-", ":?", "?", ":+", "+", "SET", "EMPTY", "UNSET", "a", " ", "$$", "{", "${SET}", "${UNSET:-", most=9
)  # fmt: skip


@RUN
@given(TEMPLATES)
def test_templates(text: str) -> None:
    check({"labels": {"l": text}})


@RUN
@given(pieces("echo", "a", " ", "'", '"', "\\", ";", "&&", "|", ">", "2>", "<", "`", "$$(", ")", "\t", "\n", "#", "é"))
def test_commands(text: str) -> None:
    check({"command": text} if text.strip() else {})


@RUN
@given(pieces("80", "443", "8080", "-", ":", "/", "tcp", "udp", "127.0.0.1", "[::1]", "0", "70000", "x", most=6))
def test_ports(text: str) -> None:
    check({"ports": [text]})


@RUN
@given(pieces("name", "/", ".", "..", ":", "/data", "ro", "rw", ",", "~", "C", "z", "$$", most=7))
def test_volumes(text: str) -> None:
    check({"volumes": [text]}, more={"volumes": {"name": {}, "C": {}, "z": {}, "ro": {}, "rw": {}, "namename": {}}})


@RUN
@given(pieces("1", "30", "s", "m", "h", "ms", "us", "d", "w", ".", "5", " ", "-", "ns"))
def test_durations(text: str) -> None:
    check({"stop_grace_period": text, "healthcheck": {"test": ["CMD", "x"], "interval": text}})


DOTENV = pieces(
    "A", "B", "=", ":", "\n", " ", "#", "'", '"', "\\", "export ", "x", "$", "${B}", "${C:-d}", "\\n", "1", "-", "\r\n", "$$", most=14
)  # fmt: skip


@settings(RUN, max_examples=120)
@given(DOTENV)
def test_dotenv(text: str) -> None:
    check({"environment": ["A", "B", "C", "AB", "x"]}, env=text)


NAMES = st.sampled_from(["A", "B", "C"])
VALUE = st.one_of(st.none(), st.booleans(), st.integers(-5, 99_999), st.sampled_from(["", "x", "a=b", "yes", "1.50"]))
PAIRS = st.one_of(
    st.dictionaries(NAMES, VALUE, max_size=3),
    st.lists(st.tuples(NAMES, st.sampled_from(["", "=", "=x", "=1"])).map("".join), max_size=3, unique=True),
)
PORT = st.sampled_from(
    ["80:80", "81:80", "80", "127.0.0.1:80:80", "80-82:80-82", 80, {"target": 80, "published": "80"}]
)
MOUNT = st.sampled_from(["v:/a", "./x:/a", "./x:/b:ro", "/a", {"type": "volume", "source": "v", "target": "/b"}])
SERVICE = st.fixed_dictionaries(
    {},
    optional={
        "environment": PAIRS,
        "labels": PAIRS,
        "ports": st.lists(PORT, max_size=3, unique_by=repr),
        "volumes": st.lists(MOUNT, max_size=2, unique_by=repr),
        "command": st.one_of(st.none(), st.sampled_from(["a b", ["c", "d"]])),
        "expose": st.lists(st.sampled_from(["1", "2"]), unique=True),
        "networks": st.sampled_from([["n"], ["n", "default"], {"n": None}, {"n": {"aliases": ["z"]}}, {"m": None}]),
        "depends_on": st.sampled_from(
            [["b"], {"b": {"condition": "service_healthy"}}, {"c": {"condition": "service_started"}}]
        ),
        "healthcheck": st.sampled_from([{"test": "x"}, {"test": ["CMD", "y"], "retries": 2}, {"interval": "5s"}]),
        "build": st.sampled_from(["./d", {"context": "./e", "args": {"A": 1}}, {"args": ["B=2"]}, {"target": "t"}]),
        "env_file": st.sampled_from(["one.env", ["two.env"], [{"path": "one.env", "required": False}]]),
        "secrets": st.sampled_from([["s"], [{"source": "t"}], [{"source": "s", "target": "x"}]]),
        "restart": st.sampled_from(["always", "no"]),
    },
)
TOP = {
    "volumes": {"v": None},
    "networks": {"n": None, "m": {"internal": True}},
    "secrets": {"s": {"file": "s"}, "t": {"environment": "T"}},
}
OTHERS = {"b": {"image": "b"}, "c": {"image": "c"}}


@settings(RUN, max_examples=100)
@given(SERVICE, SERVICE, st.booleans())
def test_merged(base: dict[str, object], over: dict[str, object], extends: bool) -> None:
    """Two files, or a service that extends another one."""
    below = {"services": {"a": {"image": "i", **base}, **OTHERS}, **TOP}
    above: dict[str, object] = {"services": {"a": over}}
    named = ["compose.yml", "over.yml"]
    if extends:
        below = {"services": {"base": {"image": "i", **base}, "a": {"extends": "base", **over}, **OTHERS}, **TOP}
        named = ["compose.yml"]
    with tempfile.TemporaryDirectory() as folder:
        root = write_files(Path(folder) / "project", {"one.env": "A=one\nE=1\n", "two.env": "A=two\n", ".env": VALUES})
        (root / "compose.yml").write_text(json.dumps(below), encoding="utf-8")
        (root / "over.yml").write_text(json.dumps(above), encoding="utf-8")
        config, said = compose_config(root, named)
        tree = read_tree(root)
        project = read_project(tree, named)
        refused = [problem.message for problem in project.problems if problem.fatal]
        if config is None:
            assert refused, said
        else:
            assert not refused, refused
            assert differences(view_of_ours(project, tree, root), view_of_compose(config, root)) == []
