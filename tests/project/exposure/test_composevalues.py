"""Credentials that pass through compose files, and values that are none."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.model import Evidence, Finding, Severity
from imgscan.project.exposure.composevalues import detect

STRONG = "9k2-" + "Vx7fQw"
"""Looks like a password that somebody uses."""


def found(
    environment: str = "{}", *, build: str = "", more: str = "", files: dict[str, str] | None = None
) -> list[Finding]:
    compose = f"services:\n  db:\n    image: postgres:17\n    environment: {environment}\n{build}{more}"
    return list(detect(setup_of({"compose.yml": compose, **(files or {})})))


@pytest.mark.parametrize(
    ("environment", "severity"),
    [
        pytest.param(f"{{POSTGRES_PASSWORD: {STRONG}}}", Severity.MEDIUM, id="literal"),
        pytest.param(f"[POSTGRES_PASSWORD={STRONG}]", Severity.MEDIUM, id="list-form"),
        pytest.param("{POSTGRES_PASSWORD: postgres}", Severity.LOW, id="a-word-of-development"),
        pytest.param(f'{{POSTGRES_PASSWORD: "${{PW:-{STRONG}}}"}}', Severity.MEDIUM, id="default"),
        pytest.param(f"{{DATABASE_URL: 'postgres://app:{STRONG}@db/app'}}", Severity.MEDIUM, id="in-a-url"),
        pytest.param("{DATABASE_URL: 'postgres://app:${PW}@db/app'}", None, id="url-with-a-variable"),
        pytest.param("{POSTGRES_PASSWORD: '${PW}'}", None, id="variable"),
        pytest.param("{POSTGRES_PASSWORD: '${PW:?set it}'}", None, id="required-variable"),
        pytest.param("{POSTGRES_PASSWORD: changeme}", None, id="placeholder"),
        pytest.param("{POSTGRES_PASSWORD: replace-me-with-a-random-string}", None, id="longer-placeholder"),
        pytest.param("{POSTGRES_PASSWORD: ''}", None, id="empty"),
        pytest.param("[POSTGRES_PASSWORD]", None, id="passed-on"),
        pytest.param("{POSTGRES_PASSWORD_FILE: /run/secrets/pw}", None, id="secret-file"),
        pytest.param("{POSTGRES_USER: antone}", None, id="no-secret"),
    ],
)
def test_literals(environment: str, severity: Severity | None) -> None:
    findings = found(environment)
    assert [f.severity for f in findings] == ([severity] if severity else [])
    for finding in findings:
        assert STRONG not in repr(finding)
        assert finding.location.path == "compose.yml"
        assert finding.location.line


def test_what_an_anchor_gives_to_several_services_is_said_once() -> None:
    compose = (
        "services:\n  a:\n    image: x\n    environment: &common\n      API_SECRET: " + STRONG + "\n"
        "  b:\n    image: x\n    environment:\n      <<: *common\n      LOG: info\n"
    )
    (finding,) = detect(setup_of({"compose.yml": compose}))
    assert "API_SECRET of a, b has its value" in finding.message
    assert finding.location.line == 5


def test_the_fix_names_the_service_and_the_variable() -> None:
    (finding,) = found(f"{{POSTGRES_PASSWORD: {STRONG}}}")
    assert "give db `POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password`" in finding.fix.text


@pytest.mark.parametrize(
    ("args", "severity"),
    [
        pytest.param(f"{{NPM_TOKEN: {STRONG}}}", Severity.HIGH, id="literal"),
        pytest.param("{NPM_TOKEN: '${NPM_TOKEN}'}", Severity.MEDIUM, id="variable"),
        pytest.param("[NPM_TOKEN]", Severity.MEDIUM, id="passed-on"),
        pytest.param("{NODE_ENV: production}", None, id="no-secret"),
    ],
)
def test_build_args(args: str, severity: Severity | None) -> None:
    build = f"  api:\n    build:\n      context: .\n      args: {args}\n"
    findings = [f for f in found(build=build) if f.rule_id == "context-secret-build-arg"]
    assert [f.severity for f in findings] == ([severity] if severity else [])
    assert STRONG not in repr(findings)


BOTH = "    env_file: [{db}]\n  api:\n    image: example/api\n    env_file: [{api}]\n"


@pytest.mark.parametrize(
    ("db", "api", "files", "evidence"),
    [
        pytest.param(".env", ".env", {".env": "POSTGRES_PASSWORD=x\n"}, Evidence.DERIVED, id="both"),
        pytest.param("db.env", "api.env", {"db.env": "POSTGRES_PASSWORD=x\n", "api.env": "A=1\n"}, None, id="one-each"),
        pytest.param("a.env", "a.env", {"a.env": "LOG_LEVEL=info\n"}, None, id="no-secret-in-it"),
        pytest.param(".env", ".env", {".env.example": "API_KEY=\n"}, Evidence.DERIVED, id="by-its-example"),
        pytest.param("a/.env", "a/.env", {".env.example": "API_KEY=\n"}, Evidence.PATTERN, id="another-files-example"),
        pytest.param(".env", ".env", {}, Evidence.PATTERN, id="the-database-needs-its-password-from-it"),
    ],
)
def test_one_file_for_several_services(db: str, api: str, files: dict[str, str], evidence: Evidence | None) -> None:
    findings = [
        f for f in found(more=BOTH.format(db=db, api=api), files=files) if f.rule_id == "context-env-file-shared"
    ]
    assert [f.evidence for f in findings] == ([evidence] if evidence else [])
    assert [len(f.places) for f in findings] == ([2] if evidence else [])


@pytest.mark.parametrize(
    ("source", "context", "count"),
    [
        pytest.param("process.env.API_KEY; process.env.PORT;", "./api", 1, id="one-is-not-read"),
        pytest.param("process.env.API_KEY; process.env.SMTP_PASSWORD;", "./api", 0, id="all-are-read"),
        pytest.param("x = 1;", "./api", 0, id="nothing-is-known"),
        pytest.param("process.env.API_KEY;", ".", 0, id="built-from-the-root"),
    ],
)
def test_secrets_that_no_source_reads(source: str, context: str, count: int) -> None:
    files = {
        "compose.yml": f"services:\n  api:\n    build: {context}\n    env_file: [.env]\n",
        ".env": "API_KEY=a\nSMTP_PASSWORD=b\nPORT=1\n",
        "api/Dockerfile": "FROM node:24\n",
        "api/index.js": source,
    }
    findings = list(detect(setup_of(files)))
    assert [f.rule_id for f in findings] == ["context-env-file-unread"] * count
    assert all("gets SMTP_PASSWORD by .env" in f.message for f in findings)


def test_two_projects_that_share_a_file_say_it_once() -> None:
    files = {
        "compose.yml": f"services:\n  db:\n    image: postgres\n    environment: {{POSTGRES_PASSWORD: {STRONG}}}\n",
        "compose.override.yml": "services:\n  db:\n    restart: always\n",
        "compose.prod.yml": "services:\n  db:\n    restart: always\n",
    }
    assert len(list(detect(setup_of(files)))) == 1


def test_no_compose_no_findings() -> None:
    assert list(detect(setup_of({"README.md": "x"}))) == []
