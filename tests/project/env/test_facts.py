"""The pieces that the rules on variables are made of."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.project.env.agreement import account_of
from imgscan.project.env.detect import detect
from imgscan.project.env.examples import distance, is_near
from imgscan.project.env.facts import copy_of, facts_of
from imgscan.project.env.imagevariables import needs_of


@pytest.mark.parametrize(
    ("example", "copied"),
    [
        (".env.example", ".env"),
        ("a/.env.sample", "a/.env"),
        (".env.production.example", ".env.production"),
        (".env.example.local", ".env.local"),
        ("db.env.example", "db.env"),
        ("example.env", ".env"),
        ("env.example", ".env"),
        (".env-example", ".env"),
    ],
)
def test_copy_of(example: str, copied: str) -> None:
    assert copy_of(example) == copied


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("POSTGRES_DB", "POSTGRES_DBNAME", True),
        ("POSTGRES_PASSWORD", "POSTGRES_PASSWD", True),
        ("DATABASE_URL", "DATABSE_URL", True),
        ("API_KEY", "APIKEY", True),
        ("POSTGRES_DB", "POSTGRES_HOST", False),
        ("REDIS_HOST", "MYSQL_HOST", False),
        ("POSTGRES_DB", "POSTGRES_DB_NAME", True),
        ("MYSQL_PASS", "MYSQL_PASSWORD", True),
        ("MYSQL_USER", "MYSQL_USERNAME", True),
        ("SMTP_HOST", "SMTP_HOSTS", True),
        ("DB_USER", "DB_PORT", False),
        ("LOG_LEVEL", "LOG_LEVELS_EXTRA", False),
        ("A", "B", False),
        ("SMTP_HOST", "SMTP_PORT", False),
    ],
)
def test_is_near(one: str, other: str, near: bool) -> None:
    assert is_near(one, other) is near


def test_distance() -> None:
    assert [distance("abc", other) for other in ("abc", "abd", "ab", "acb", "xyz", "abcdefg")] == [0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("image", "demands"),
    [
        ("postgres", True),
        ("postgres:17-alpine", True),
        ("docker.io/library/postgres:9.4", True),
        ("postgres:9.4.5", False),
        ("postgres:12.1-alpine", False),
        ("postgres:12.4", True),
        ("mysql:8", True),
        ("someone/postgres", False),
        ("redis", False),
    ],
)
def test_images_that_demand(image: str, demands: bool) -> None:
    service = setup_of({"compose.yml": f"services: {{db: {{image: '{image}'}}}}\n"}).composes[0].services["db"]
    assert bool(needs_of(service)) is demands


def test_account_of_a_database() -> None:
    text = "services: {db: {image: 'mysql:8', environment: {MYSQL_USER: u, MYSQL_DATABASE: d, MYSQL_PASSWORD: p}}}\n"
    facts = next(iter(facts_of(setup_of({"compose.yml": text}))))
    account = account_of(facts, facts.project.services["db"])
    assert account is not None
    assert (account.user, account.database, dict(account.passwords)) == ("u", "d", {"u": "p", "root": None})


def test_an_example_of_another_program_is_not_ours() -> None:
    files = {
        "deploy/compose.yml": "services: {a: {image: '${TAG}'}}\n",
        ".env.example": "VITE_URL=x\n",
        "a.ts": "VITE_URL",
    }
    assert {finding.rule_id for finding in detect(setup_of(files))} == {"env-example-missing"}


def test_no_password_is_shown() -> None:
    password = "correct" + "horse" + "battery"
    files = {
        "compose.yml": f"""
            services:
              db: {{image: postgres, environment: {{POSTGRES_USER: app, POSTGRES_PASSWORD: {password}}}}}
              web:
                image: w
                environment:
                  URL: postgres://other:{password}@db/app
                  PASS_A: ${{DB_PASSWORD:-{password}}}
                  PASS_B: ${{DB_PASSWORD:-other}}
            """,
    }
    findings = list(detect(setup_of(files)))
    assert {"env-database-url-mismatch", "env-default-differs"} <= {finding.rule_id for finding in findings}
    assert not any(password in str(finding) for finding in findings)


def test_a_finding_that_several_projects_share_is_told_once() -> None:
    base = "services: {a: {image: a, env_file: x.env}}\n"
    files = {
        "compose.yml": base,
        "compose.dev.yml": "services: {a: {ports: ['1:1']}}\n",
        "compose.ci.yml": "services: {a: {init: true}}\n",
    }
    assert [finding.rule_id for finding in detect(setup_of(files))] == ["env-file-missing"]
