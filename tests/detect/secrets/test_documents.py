"""Image configurations, Dockerfiles, env and compose files as documents to scan."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.documents import (
    Document,
    compose_documents,
    dockerfile_documents,
    env_file_documents,
    history_documents,
    image_documents,
    parse_pairs,
    scan_document,
    split_build_args,
)
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.dockerfile.parse import parse
from imgscan.model import Place


@dataclass(frozen=True)
class History:
    created_by: str | None
    comment: str | None = None
    empty_layer: bool = False


@dataclass(frozen=True)
class Config:
    env: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] | None = None
    onbuild: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    history: tuple[History, ...] = ()


def found(scanner: SecretScanner, documents: list[Document]) -> list[tuple[Place, str, str]]:
    return [
        (document.place, document.path, hit.rule.id)
        for document in documents
        for hit in scan_document(scanner, document)
    ]


def test_every_part_of_a_configuration_is_searched(scanner: SecretScanner, token: bytes) -> None:
    text = token.decode()
    config = Config(
        env=(f"A={text}", "PATH=/bin"),
        labels=(("l", text),),
        cmd=("run", "--token", text),
        entrypoint=("sh", "-c", f"T={text} run"),
        healthcheck=("CMD", "curl", "-H", f"X: {text}"),
        onbuild=(f"ENV B={text}",),
        user=text,
        workdir=f"/x/{text}",
        history=(History(f"ENV C={text}", empty_layer=True), History("RUN x", comment=text)),
    )
    attestation = json.dumps({"args": [{"build-arg:D": text}]}).encode()
    results = found(scanner, list(image_documents(config, [("provenance.json", attestation)])))
    assert [place for place, _, _ in results] == [
        Place.ENV, Place.LABEL, Place.CMD, Place.ENTRYPOINT, Place.HEALTHCHECK, Place.ONBUILD, Place.CONFIG, Place.CONFIG,
        Place.HISTORY, Place.HISTORY, Place.ATTESTATION,
    ]  # fmt: skip
    assert {rule for _, _, rule in results} == {"secret-github-token"}


def test_members_that_only_other_builders_write(scanner: SecretScanner, token: bytes) -> None:
    text = token.decode()
    frontend = {"attrs": {"build-arg:NPM_PASSWORD": "corr" + "ect-horse-4-battery"}, "frontend": "dockerfile.v0"}
    inner = base64.b64encode(json.dumps(frontend).encode()).decode()
    raw = json.dumps(
        {
            "config": {"Env": ["A=b"], "StopSignal": "SIGTERM"},
            "container_config": {"Cmd": ["/bin/sh", "-c", f"#(nop) ENV T={text}"], "Env": ["A=b"]},
            "author": text,
            "moby.buildkit.buildinfo.v1": inner,
            f"key-{text}": 1,
        }
    ).encode()
    config = Config(env=("A=b",))
    documents = list(image_documents(config, (), raw))
    assert [document.path for document in documents] == ["ENV A", "configuration", "build information"]
    results = found(scanner, documents)
    assert ("config", "configuration", "secret-github-token") in results
    assert ("config", "build information", "secret-env-assignment") in results


def test_what_is_known_of_a_configuration_is_not_searched_twice() -> None:
    raw = json.dumps({"config": {"Env": ["A=b"], "Labels": {"l": "m"}}, "history": [{"created_by": "RUN x"}]}).encode()
    config = Config(env=("A=b",), labels=(("l", "m"),), history=(History("RUN x"),))
    (rest,) = [document for document in image_documents(config, (), raw) if document.path == "configuration"]
    assert sorted(rest.text.decode().split("\n")) == sorted(["config", "Env", "Labels", "history", "created_by"])


@pytest.mark.parametrize("half", ["\\ud800", "\\udc41", "\\udfff\\ud812"])
def test_half_a_pair_of_surrogates_in_a_configuration(half: str) -> None:
    raw = f'{{"container_config": {{"Env": ["A={half}b"]}}}}'.encode()
    (rest,) = image_documents(Config(), (), raw)
    assert rest.text.endswith("\ufffdb".encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"[1, 2]", b"\xff" * 9], ids=repr)
def test_a_configuration_that_is_none(raw: bytes) -> None:
    assert list(image_documents(Config(), (), raw)) == []


def test_an_empty_configuration_gives_nothing() -> None:
    assert list(image_documents(Config())) == []


def test_history_counts_layers() -> None:
    history = [History("FROM", empty_layer=False), History("ENV", empty_layer=True), History("RUN"), History(None)]
    assert [d.layer for d in history_documents(history)] == [0, None, 1]


@pytest.mark.parametrize(
    ("created_by", "assignments"),
    [
        pytest.param("ENV A=b", (("A", "b"),), id="buildkit-env"),
        pytest.param("ENV A=b c D=e", (("A", "b c"), ("D", "e")), id="unquoted-spaces"),
        pytest.param("/bin/sh -c #(nop)  ENV A=b", (("A", "b"),), id="classic-env"),
        pytest.param("/bin/sh -c #(nop)  ARG A=b", (("A", "b"),), id="classic-arg"),
        pytest.param("ARG A", (), id="arg-without-value"),
        pytest.param("RUN |1 A=b /bin/sh -c npm ci # buildkit", (("A", "b"),), id="buildkit-args"),
        pytest.param("|2 A=b c D=e /bin/sh -c npm ci", (("A", "b c"), ("D", "e")), id="classic-args"),
        pytest.param("|1 A=b /bin/bash -euo pipefail -c x", (("A", "b"),), id="bash"),
        pytest.param("|0 /bin/sh -c x", (), id="no-args"),
        pytest.param("RUN /bin/sh -c x # buildkit", (), id="run"),
        pytest.param("LABEL a=b", (("a", "b"),), id="label"),
    ],
)
def test_history_entries(created_by: str, assignments: tuple[tuple[str, str], ...]) -> None:
    (document,) = history_documents([History(created_by)])
    assert document.assignments == assignments


def test_a_used_build_argument_is_found_in_the_history(scanner: SecretScanner) -> None:
    created_by = "RUN |2 NODE_ENV=production DB_PASSWORD=tr0ub4dor77 /bin/sh -c npm ci # buildkit"
    documents = list(history_documents([History(created_by)]))
    assert found(scanner, documents) == [(Place.HISTORY, "history[0]", "secret-env-assignment")]


@given(st.text(max_size=200), st.integers(-3, 9))
def test_any_history_is_taken_apart(text: str, count: int) -> None:
    assert all(name for name, _ in split_build_args(text, count)[0])
    parse_pairs(text)
    list(history_documents([History(text), History(f"|{count} {text}"), History(f"ENV {text}")]))


@given(st.binary(max_size=200))
def test_any_attestation_is_taken(data: bytes) -> None:
    assert [d.text for d in image_documents(Config(), [("x", data)])] == [data]


@pytest.mark.parametrize(
    ("attestation", "expected"),
    [
        pytest.param(b'{"build-arg:A": "b\\ud800"}', (("A", "b\ufffd"),), id="lone-surrogate"),
        pytest.param(b'{"build-arg:A": "b", "build-arg:A": "c"}', (("A", "b"), ("A", "c")), id="twice"),
        pytest.param(b'{"build-arg:A": 1, "label:B": "c"}', (("B", "c"),), id="no-text"),
    ],
)
def test_build_arguments_of_attestations(attestation: bytes, expected: tuple[tuple[str, str], ...]) -> None:
    (document,) = image_documents(Config(), [("x", attestation)])
    assert document.assignments == expected
    assert scan_document(SecretScanner([]), document) == []


def test_deep_attestations_end() -> None:
    deep = b'{"a":' * 3000 + b'{"build-arg:A":"b"}' + b"}" * 3000
    (document,) = image_documents(Config(), [("x", deep)])
    assert document.assignments == ()


DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG BASE=node:24
FROM $BASE
ARG DB_PASSWORD=tr0ub4dor77
ENV A=1 \\
    API_KEY="q7Zp2Lk9 Xw4" \\
    B=2
RUN --mount=type=secret,id=token,env=TOKEN npm ci
RUN set -e && \\
    mysql -u root -ptr0ub4dor77 app
RUN <<EOF
echo hello
export SESSION_SECRET=q7Zp2Lk9Xw4Vt8
EOF
ONBUILD ENV MY_TOKEN=q7Zp2Lk9Xw4Vt8
ENV DB_PASSWORD_FILE=/run/secrets/db OTHER_PASSWORD=$DB_PASSWORD
"""


def test_a_dockerfiles_secrets_have_their_lines(scanner: SecretScanner) -> None:
    hits = [
        (hit.line, hit.rule.id)
        for document in dockerfile_documents(parse(DOCKERFILE, "Dockerfile"))
        for hit in scan_document(scanner, document)
    ]
    assert hits == [
        (4, "secret-env-assignment"),
        (6, "secret-env-assignment"),
        (10, "secret-command-password"),
        (13, "secret-env-assignment"),
        (15, "secret-env-assignment"),
    ]


def test_env_files_line_by_line(scanner: SecretScanner) -> None:
    text = "# DB_PASSWORD=old\n\nexport DB_PASSWORD='tr0ub4 dor77' # why\nA=1\nDB_PASSWORD_FILE=/x\n"
    documents = list(env_file_documents(text, ".env"))
    assert [(d.line, d.assignments) for d in documents] == [
        (3, (("DB_PASSWORD", "tr0ub4 dor77"),)),
        (4, (("A", "1"),)),
        (5, (("DB_PASSWORD_FILE", "/x"),)),
    ]
    assert [hit.line for document in documents for hit in scan_document(scanner, document)] == [3]


def test_compose_files(scanner: SecretScanner) -> None:
    text = """services:
  db:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD:-tr0ub4dor77}
      POSTGRES_USER: app
  app:
    environment:
      - DATABASE_URL=postgres://app:q7Zp2Lk9Xw4Vt8@db/app
      - "API_TOKEN=q7Zp2Lk9Xw4Vt8"
      - DB_PASSWORD_FILE=/run/secrets/db
    command: ["sshpass", "-p", "tr0ub4dor77"]
"""
    hits = [
        (hit.line, hit.rule.id) for d in compose_documents(text, "compose.yaml") for hit in scan_document(scanner, d)
    ]
    assert hits == [(5, "secret-env-assignment"), (9, "secret-uri-credentials"), (10, "secret-env-assignment")]


@given(st.text(max_size=300))
def test_any_project_file_is_taken_apart(text: str) -> None:
    for documents in (env_file_documents(text, ".env"), compose_documents(text, "compose.yaml")):
        assert all(document.line is not None and document.line >= 1 for document in documents)
