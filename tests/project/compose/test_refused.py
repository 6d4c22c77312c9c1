"""Compose files that docker compose refuses or takes, against what imgscan says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from composes import SUITES, compose, compose_config
from setups import write_files

from imgscan.project.compose.read import read_project
from imgscan.project.env.detect import detect
from imgscan.project.setup import read_setup
from imgscan.project.tree import read_tree

pytestmark = pytest.mark.tools
A = "services: {a: {image: a, %s}}"
TEXTS = {
    "unknown-key": A % "foo: 1",
    "unknown-top-key": A % "init: true" + "\nfoo: 1",
    "extension": A % "x-a: 1" + "\nx-foo: 1",
    "services-as-list": "services: [a]",
    "no-image": "services: {a: {command: x}}",
    "undefined-volume": A % "volumes: ['data:/x']",
    "undefined-network": A % "networks: [n]",
    "undefined-secret": A % "secrets: [n]",
    "undefined-config": A % "configs: [n]",
    "undefined-dependency": A % "depends_on: [n]",
    "cycle": "services: {a: {image: a, depends_on: [b]}, b: {image: a, links: [a]}}",
    "on-itself": A % "depends_on: [a]",
    "key-twice": "services:\n  a:\n    image: a\n    image: b",
    "service-twice": "services:\n  a: {image: a}\n  a: {image: b}",
    "tab": "services:\n\ta: {}",
    "port-of-letters": A % "ports: ['x:80']",
    "port-too-high": A % "ports: ['80:99999']",
    "uneven-ranges": A % "ports: ['1-3:1-2']",
    "colon-alone": A % "ports: [':']",
    "bad-address": A % "ports: ['999.1.1.1:80:80']",
    "bad-protocol": A % "ports: ['80:80/xxx']",
    "ports-as-text": A % "ports: '80:80'",
    "too-many-colons": A % "volumes: ['a:b:c:d']",
    "empty-volume": A % "volumes: ['']",
    "open-reference": "services: {a: {image: '${'}}",
    "blank-in-name": "services: {a: {image: '${a b}'}}",
    "dollar": "services: {a: {image: a, command: 'echo $'}}",
    "two-network-modes": A % "network_mode: host, networks: [default]",
    "network-of-nobody": A % "network_mode: 'service:b'",
    "extends-in-circle": "services: {a: {extends: b, image: a}, b: {extends: a}}",
    "extends-nobody": "services: {a: {extends: x}}",
    "test-without-cmd": A % "healthcheck: {test: [curl, x]}",
    "test-as-text": A % "healthcheck: {test: curl x}",
    "number-as-duration": A % "healthcheck: {test: [CMD, x], interval: 5}",
    "words-as-duration": A % "healthcheck: {test: [CMD, x], interval: 5 secs}",
    "unknown-condition": "services: {a: {image: a, depends_on: {b: {condition: ready}}}, b: {image: b}}",
    "empty-secret": A % "init: true" + "\nsecrets: {s: {}}",
    "external-with-driver": A % "init: true" + "\nvolumes: {s: {external: true, driver: x}}",
    "empty": "",
    "null-service": "services: {a: }",
    "unknown-anchor": "services: {a: {image: *x}}",
    "recursive-anchor": "services: &s {a: *s}",
    "number-in-list": A % "environment: [1]",
    "number-in-map": A % "environment: {A: 1, B: 1.5, C: true, D: null}",
    "no-letters-in-name": "name: '!!'\nservices: {a: {image: a}}",
    "name-made-small": "name: 'Abc D'\nservices: {a: {image: a}}",
    "number-as-image": "services: {a: {image: 5}}",
    "word-as-boolean": A % "privileged: maybe",
    "text-as-boolean": A % "privileged: 'true', init: 'no'",
    "included-file-missing": "include: [x.yml]\nservices: {a: {image: a}}",
    "includes-itself": "include: [compose.yml]\nservices: {a: {image: a}}",
    "text": "hello",
    "number-as-version": "version: 3\nservices: {a: {image: a}}",
    "blank-in-service": "services: {'a b': {image: a}}",
    "build-as-list": "services: {a: {build: [x]}}",
    "control-character": 'services: {a: {image: "a\x01"}}',
    "reset-alone": A % "ports: !reset []",
    "unknown-tag": "services: {a: {image: !foo a}}",
    "number-as-key": "services: {1: {image: a}}",
    "null-in-list": A % "environment: [null]",
    "merge-of-text": "services: {a: {<<: x, image: a}}",
    "word-as-number": A % "deploy: {replicas: x}",
    "restart-no": A % "restart: no",
    "restart-false": A % "restart: false",
    "numbers-as-command": A % "command: [1, 2]",
    "only-volumes": "volumes: {a: }",
    "open-quote": A % 'command: "echo \'x"',
    "external-default": A % "networks: {default: {}}" + "\nnetworks: {default: {external: true, name: z}}",
    "old-external": A % "networks: [n]" + "\nnetworks: {n: {external: {name: z}}}",
    "link-to-nobody": A % "links: [zz]",
    "volumes-from-nobody": A % "volumes_from: [zz]",
    "anchor-twice": "x-a: &a 1\nx-b: &a 2\nservices: {a: {image: a}}",
    "tmpfs-as-text": A % "tmpfs: /x",
    "ulimits": A % "ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}",
}
# What the releases differ in is told as the newer one has it.
ONLY_NEW = {
    "mounted-twice": A % "tmpfs: [/x], volumes: ['/x']",
    "bad-address-in-map": A % "ports: [{target: 80, host_ip: x}]",
    "date": A % "labels: {d: 2020-01-02}",
}
CASES = [(name, suite) for name in TEXTS for suite in SUITES] + [(name, SUITES[0]) for name in ONLY_NEW]


@pytest.mark.parametrize(("name", "suite"), CASES)
def test_refused_by_both_or_by_none(tmp_path: Path, name: str, suite: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "compose.yml").write_text({**TEXTS, **ONLY_NEW}[name], encoding="utf-8")
    config, said = compose_config(root, ["compose.yml"], suite=suite)
    told = [problem.message for problem in read_project(read_tree(root), ["compose.yml"]).problems if problem.fatal]
    assert (config is None) == bool(told), (said, told)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("services: {a: {image: '${A}${B:-b}${C-c}${D:+d}', command: '$E $$F'}}\n", "A=1\n"),
        ("services: {a: {image: '${A:-${B}}', environment: {X: '${C}', Y: '$C'}}}\n", "# B=1\nQ=1\n"),
        ("services: {a: {image: x, labels: ['${L1}=${L2}']}}\nvolumes: {v: {name: '${V}'}}\n", "V=v\nL1=x\n"),
        ("services: {a: {image: x, command: 'echo ${HOME}${PWD}'}}\n", "A=1\n"),
    ],
)
def test_names_without_a_value_are_those_compose_warns_of(tmp_path: Path, text: str, example: str) -> None:
    """CONFIG-001-01 is what `docker compose --env-file .env.example config` says."""
    root = write_files(tmp_path / "project", {"compose.yml": text, ".env.example": example.replace("# B", "#B")})
    said = compose(root, ["--env-file", ".env.example", "config", "-q"]).err
    warned = {line.split('\\"')[1] for line in said.splitlines() if "variable is not set" in line}
    findings = [f for f in detect(read_setup(root)) if f.rule_id == "env-variable-not-in-example"]
    found = {finding.message.partition(" uses ")[2].partition(" ")[0] for finding in findings}
    # A comment of the example that tells of a name is enough for us; compose sees an empty string.
    assert found == warned - ({"B"} if "# B" in example else set())
