"""Configuration, base image and ADD, file modes: tables with the cases that must stay silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgscan.detect import filemodes, imageconfig
from imgscan.dockerfile.parse import parse
from imgscan.layers.blocks import ListedEntry
from imgscan.model import Digest, EntryKind, LayerReport, Place, Severity, SourceLine
from imgscan.source.records import ImageConfig

VALUE = "v4lue" * 4
HEALTH = ("CMD", "true")


def rules(config: ImageConfig | None, text: str | None = None) -> list[str]:
    return [f.rule_id for f in imageconfig.detect(config, parse(text) if text else None)]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param("", ["config-root-user"], id="none"),
        pytest.param("root", ["config-root-user"], id="root"),
        pytest.param("0", ["config-root-user"], id="zero"),
        pytest.param("0:0", ["config-root-user"], id="zero-zero"),
        pytest.param("root:node", ["config-root-user"], id="root-with-a-group"),
        pytest.param("1000", [], id="number"),
        pytest.param("node:node", [], id="name"),
        pytest.param("rooter", [], id="longer-name"),
    ],
)
def test_user(user: str, expected: list[str]) -> None:
    assert rules(ImageConfig(user=user, healthcheck=HEALTH)) == expected


@pytest.mark.parametrize(
    ("healthcheck", "expected"),
    [
        pytest.param(None, ["config-no-healthcheck"], id="none"),
        pytest.param((), ["config-no-healthcheck"], id="empty"),
        pytest.param(("NONE",), ["config-no-healthcheck"], id="off"),
        pytest.param(HEALTH, [], id="there"),
    ],
)
def test_healthcheck(healthcheck: tuple[str, ...] | None, expected: list[str]) -> None:
    assert rules(ImageConfig(user="1", healthcheck=healthcheck)) == expected


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param(f"DB_PASSWORD={VALUE}", 1, id="password"),
        pytest.param(f"AWS_SECRET_ACCESS_KEY={VALUE}", 1, id="aws"),
        pytest.param(f"githubToken={VALUE}", 1, id="camel-case"),
        pytest.param(f"STRIPE_API_KEY={VALUE}", 1, id="api-key"),
        pytest.param(f"MYSQL_PWD={VALUE}", 1, id="pwd"),
        pytest.param(f"NPM_AUTH={VALUE}", 1, id="auth"),
        pytest.param("DB_PASSWORD=", 0, id="empty"),
        pytest.param("DB_PASSWORD", 0, id="no-value"),
        pytest.param("DB_PASSWORD=changeme", 0, id="placeholder"),
        pytest.param("DB_PASSWORD_FILE=/run/secrets/x", 0, id="file"),
        pytest.param(f"GPG_KEY={VALUE}", 0, id="signer-of-the-base"),
        pytest.param(f"PUBLIC_KEY={VALUE}", 0, id="public"),
        pytest.param(f"TOKEN_TTL={VALUE}", 0, id="lifetime"),
        pytest.param("PATH=/usr/bin", 0, id="path"),
        pytest.param(f"COMPASS={VALUE}", 0, id="part-of-a-word"),
        pytest.param(f"SSH_AUTH_SOCK={VALUE}", 0, id="socket"),
    ],
)
def test_environment(env: str, expected: int) -> None:
    found = [
        f
        for f in imageconfig.detect(ImageConfig(user="1", healthcheck=HEALTH, env=(env,)))
        if f.rule_id == "config-secret-in-env-name"
    ]
    assert len(found) == expected
    assert VALUE not in repr(found)
    assert all(f.location.place is Place.ENV for f in found)


def test_environment_of_the_base_weighs_less() -> None:
    config = ImageConfig(user="1", healthcheck=HEALTH, env=(f"A_TOKEN={VALUE}", f"B_TOKEN={VALUE}"))
    found = list(imageconfig.detect(config, parse(f"FROM a:1\nENV A_TOKEN={VALUE}\n")))
    assert [(f.severity, f.location.dockerfile) for f in found] == [
        (Severity.HIGH, SourceLine(file="Dockerfile", line=2)),
        (Severity.MEDIUM, None),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM node\nUSER 1\n", ["config-latest-base"], id="no-tag"),
        pytest.param("FROM host:5000/node\nUSER 1\n", ["config-latest-base"], id="port-is-no-tag"),
        pytest.param("FROM node:latest\nUSER 1\n", ["config-latest-base"], id="latest"),
        pytest.param("FROM node:24\nUSER 1\n", [], id="tag"),
        pytest.param("FROM node@sha256:00\nUSER 1\n", [], id="digest"),
        pytest.param("FROM scratch\nUSER 1\n", [], id="scratch"),
        pytest.param("ARG N=node:24\nFROM $N\nUSER 1\n", [], id="argument"),
        pytest.param("ARG N\nFROM $N\nUSER 1\n", [], id="argument-without-a-value"),
        pytest.param("FROM node:24 AS a\nFROM a\nUSER 1\n", [], id="earlier-stage"),
        pytest.param("FROM node AS a\nFROM node:24\nUSER 1\n", [], id="stage-not-needed"),
        pytest.param("FROM a:1\nADD x.txt /\nUSER 1\n", ["config-add-instead-of-copy"], id="add-of-a-file"),
        pytest.param("FROM a:1\nADD x.tar.gz /\nUSER 1\n", [], id="add-of-an-archive"),
        pytest.param("FROM a:1\nADD https://e.com/x /\nUSER 1\n", ["config-add-instead-of-copy"], id="add-of-a-url"),
        pytest.param(
            "FROM a:1\nADD https://e.com/x.tar.gz /\nUSER 1\n",
            ["config-add-instead-of-copy"],
            id="archive-from-a-url-is-not-unpacked",
        ),
        pytest.param(
            "FROM a:1\nADD --unpack https://e.com/x.tgz /\nUSER 1\n", ["config-add-instead-of-copy"], id="unpacked-url"
        ),
        pytest.param("FROM a:1\nADD --unpack x.bin /\nUSER 1\n", [], id="unpacked-file"),
        pytest.param("FROM a:1\nADD x.tar.zst y.tzst /\nUSER 1\n", [], id="zstd-archives"),
        pytest.param("FROM a:1\nADD --checksum=sha256:0 https://e.com/x /\nUSER 1\n", [], id="url-with-a-checksum"),
        pytest.param("FROM a:1\nADD https://e.com/x.git /src\nUSER 1\n", [], id="add-of-a-repository"),
        pytest.param("FROM a:1\n", ["config-root-user"], id="no-user-without-an-image"),
        pytest.param("FROM a:1\nCOPY --from=e.com/uv:latest /uv /\nUSER 1\n", ["config-latest-base"], id="copy-latest"),
        pytest.param("FROM a:1\nCOPY --from=e.com/uv /uv /\nUSER 1\n", ["config-latest-base"], id="copy-no-tag"),
        pytest.param("FROM a:1\nCOPY --from=composer /c /\nUSER 1\n", ["config-latest-base"], id="copy-one-word"),
        pytest.param("FROM a:1\nCOPY --from=e.com/uv:0.9 /uv /\nUSER 1\n", [], id="copy-tag"),
        pytest.param("FROM a:1\nCOPY --from=e.com/uv@sha256:00 /uv /\nUSER 1\n", [], id="copy-digest"),
        pytest.param("FROM a:1 AS One\nFROM b:1\nCOPY --from=one /x /\nUSER 1\n", [], id="copy-stage"),
        pytest.param("FROM a:1\nFROM b:1\nCOPY --from=0 /x /\nUSER 1\n", [], id="copy-stage-by-number"),
        pytest.param(
            "FROM a:1\nRUN --mount=type=bind,from=e.com/uv,target=/uv uv sync\nUSER 1\n",
            ["config-latest-base"],
            id="mount-no-tag",
        ),
        pytest.param("FROM a:1\nRUN --mount=type=cache,target=/c x\nUSER 1\n", [], id="mount-without-an-image"),
        pytest.param("FROM a:1\nUSER $U\n", [], id="user-by-variable"),
    ],
)
def test_dockerfile_alone(text: str, expected: list[str]) -> None:
    assert rules(None, text) == expected


LAYERS = [
    LayerReport(
        index=index,
        diff_id=Digest("sha256:0"),
        digest=None,
        size_bytes=0,
        entries=0,
        whiteouts=0,
        reclaimable_bytes=0,
        from_base=index == 0,
        instruction="RUN x",
        dockerfile=None,
    )
    for index in range(2)
]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("FROM a:1\nHEALTHCHECK CMD x\nHEALTHCHECK CMD y\n", 3, id="the-last"),
        pytest.param("FROM a:1 AS a\nHEALTHCHECK CMD x\nFROM a\nCMD y\n", 2, id="of-the-stage-below"),
        pytest.param("FROM a:1 AS b\nHEALTHCHECK CMD x\nFROM a:1\n", None, id="of-another-stage"),
    ],
)
def test_line_of_the_health_check(text: str, line: int | None) -> None:
    found = imageconfig.healthcheck_line(parse(text), None, {})
    assert (found.line if found else None) == line


@pytest.mark.parametrize(
    ("base", "severity"),
    [
        pytest.param("node:24", Severity.MEDIUM, id="known-to-be-root"),
        pytest.param("docker.io/library/python:3.13@sha256:00", Severity.MEDIUM, id="known-by-its-long-name"),
        pytest.param("scratch", Severity.MEDIUM, id="scratch"),
        pytest.param("acme/base:1", Severity.LOW, id="not-known"),
        pytest.param("registry.example.com:5000/node:24", Severity.LOW, id="somebody-elses"),
        pytest.param("$BASE", Severity.LOW, id="named-by-nothing"),
        pytest.param("gcr.io/distroless/static-debian12", Severity.LOW, id="distroless"),
        pytest.param("gcr.io/distroless/static-debian12:nonroot", None, id="nonroot"),
        pytest.param("docker:28-dind-rootless", None, id="rootless"),
        pytest.param("nginxinc/nginx-unprivileged:1.29", None, id="unprivileged"),
        pytest.param("bitnami/node:24", None, id="owner"),
        pytest.param("jenkins/jenkins:lts", None, id="known-to-set-one"),
    ],
)
def test_user_that_the_base_may_set(base: str, severity: Severity | None) -> None:
    found = list(imageconfig.detect(None, parse(f"ARG BASE\nFROM {base} AS a\nFROM a\nCMD x\n")))
    found = [finding for finding in found if finding.rule_id == "config-root-user"]
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(("unless" in finding.message) is (severity is Severity.LOW) for finding in found)
    assert all(
        f.severity is Severity.MEDIUM
        for f in imageconfig.detect(None, parse(f"FROM {base}\nUSER root\n"))
        if f.rule_id == "config-root-user"
    )


@pytest.mark.parametrize(
    ("path", "mode", "kind", "expected"),
    [
        pytest.param(b"usr/bin/sudo", 0o4755, EntryKind.FILE, [("config-setuid", Severity.MEDIUM)], id="setuid"),
        pytest.param(b"usr/bin/passwd", 0o4755, EntryKind.FILE, [("config-setuid", Severity.LOW)], id="usual-setuid"),
        pytest.param(b"app/passwd", 0o4755, EntryKind.FILE, [("config-setuid", Severity.MEDIUM)], id="usual-elsewhere"),
        pytest.param(b"app/x", 0o2755, EntryKind.FILE, [("config-setuid", Severity.LOW)], id="setgid"),
        pytest.param(b"app/d", 0o2755, EntryKind.DIRECTORY, [], id="setgid-folder"),
        pytest.param(b"app/x", 0o666, EntryKind.FILE, [("config-world-writable", Severity.LOW)], id="open-file"),
        pytest.param(b"app", 0o777, EntryKind.DIRECTORY, [("config-world-writable", Severity.LOW)], id="open-folder"),
        pytest.param(b"spool", 0o1777, EntryKind.DIRECTORY, [], id="sticky-folder"),
        pytest.param(b"tmp/x", 0o666, EntryKind.FILE, [], id="in-tmp"),
        pytest.param(b"tmpx", 0o777, EntryKind.DIRECTORY, [("config-world-writable", Severity.LOW)], id="not-tmp"),
        pytest.param(b"app/l", 0o777, EntryKind.SYMLINK, [], id="link"),
        pytest.param(b"app/x", 0o644, EntryKind.FILE, [], id="ordinary"),
    ],
)
def test_modes(path: bytes, mode: int, kind: EntryKind, expected: list[tuple[str, Severity]]) -> None:
    entry = ListedEntry(path=path, kind=kind, size_bytes=1, mode=mode, uid=0, gid=0)
    assert [(f.rule_id, f.severity) for f in filemodes.detect([(1, entry)], LAYERS)] == expected
    assert list(filemodes.detect([(0, entry)], LAYERS)) == []


@pytest.mark.parametrize(
    ("name", "expected"), [("passwd", []), ("wall", []), ("sudo", ["config-setuid"])], ids=["usual", "setgid", "sudo"]
)
def test_a_distribution_s_own_programs_in_the_lowest_layer(name: str, expected: list[str]) -> None:
    lowest = [replace(layer, from_base=False) for layer in LAYERS]
    entry = ListedEntry(path=f"usr/bin/{name}".encode(), kind=EntryKind.FILE, size_bytes=1, mode=0o6755, uid=0, gid=0)
    assert [f.rule_id for f in filemodes.detect([(0, entry)], lowest)] == expected


def test_open_folders_are_named_instead_of_what_is_in_them() -> None:
    entries = [ListedEntry(path=b"app", kind=EntryKind.DIRECTORY, size_bytes=0, mode=0o777, uid=0, gid=0)]
    entries += [
        ListedEntry(path=b"app/%d" % n, kind=EntryKind.FILE, size_bytes=1, mode=0o666, uid=0, gid=0) for n in range(9)
    ]
    (found,) = filemodes.detect([(1, entry) for entry in entries], LAYERS)
    assert found.location.path == "/app"
    assert "10 paths" in found.message
