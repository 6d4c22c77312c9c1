"""Every rule of CONFIG-001 on a project that breaks it and on one that does not, and its patch applied by git."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from secretmaker import token_of
from setups import setup_of, write_files

from imgscan.model import Finding, Severity
from imgscan.project.env.detect import detect
from imgscan.project.setup import read_setup
from imgscan.rulebook import load_yaml, rules_dir

DB = "services:\n  db:\n    image: postgres:17\n    environment:\n      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?}\n"
WEB = "services:\n  web:\n    image: app:${TAG}\n"
README = {"README.md": "Copy .env.example to .env, then `docker compose up`.\n"}
NODE = {"web/Dockerfile": 'FROM node:24\nCOPY . .\nCMD ["node", "index.js"]\n', "web/package.json": "{}\n"}
BUILT = "services:\n  web:\n    build: ./web\n"


class Case(NamedTuple):
    """What breaks a rule, what keeps it, and words of the message."""

    bad: Mapping[str, str]
    good: Mapping[str, str]
    says: tuple[str, ...]
    patched: bool


CASES: dict[str, list[Case]] = {
    "env-compose-invalid": [
        Case({"compose.yml": "services: {a: {image: a, port: [80]}}\n"}, {"compose.yml": "services: {a: {image: a}}\n"}, ("'port'",), False),
        Case({"compose.yml": "services:\n  a:\n    image: a\n    image: b\n"}, {"compose.yml": "services: {a: {image: b}}\n"}, ("line 3",), False),
        Case({"compose.yml": "services: {a: {image: '${'}}\n"}, {"compose.yml": "services: {a: {image: '$${'}}\n"}, ("interpolation",), False),
        Case({"compose.yml": "services: {a: {image: a\n"}, {"compose.yml": "services: {a: {image: a}}\n"}, ("compose refuses",), False),
    ],
    "env-compose-reference": [
        Case(
            {"compose.yml": "services: {a: {image: a, volumes: ['data:/v']}}\n"},
            {"compose.yml": "services: {a: {image: a, volumes: ['data:/v']}}\nvolumes: {data: }\n"},
            ("undefined volume data",),
            False,
        ),
        Case(
            {"compose.yml": "services: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [a]}}\n"},
            {"compose.yml": "services: {a: {image: a, depends_on: [b]}, b: {image: b}}\n"},
            ("a -> b -> a",),
            False,
        ),
    ],
    "env-compose-unread": [
        Case(
            {"compose.yml": "x: " + "[" * 150 + "]" * 150 + "\nservices: {a: {image: a}}\n"},
            {"compose.yml": "x-a: [[[]]]\nservices: {a: {image: a}}\n"},
            ("nested",),
            False,
        )
    ],
    "env-variable-not-in-example": [
        Case({"compose.yml": WEB, ".env.example": "PORT=1\n", **README}, {"compose.yml": WEB, ".env.example": "TAG=1\n", **README}, ("TAG", "empty string"), True),
        Case(
            {"compose.yml": WEB.replace("${TAG}", "${TAG:?}"), ".env.example": "# nothing", **README},
            {"compose.yml": WEB, ".env.example": "# TAG=1\n", **README},
            ("compose stops",),
            True,
        ),
        Case(
            {"compose.yml": WEB + "    ports: ['${PORT}:3000']\n", ".env.example": "TAG=1\r\n", **README},
            {"compose.yml": WEB + "    ports: ['${PORT:-3000}:3000']\n", ".env.example": "TAG=1\n", **README},
            ("PORT",),
            True,
        ),
    ],
    "env-example-missing": [
        Case({"compose.yml": WEB}, {"compose.yml": WEB, ".env": "TAG=1\n"}, ("TAG",), True),
        Case({"docker/compose.yml": WEB}, {"docker/compose.yml": WEB, "up.sh": "TAG=1 docker compose up\n"}, ("TAG",), True),
        Case({"compose.yml": WEB}, {"compose.yml": WEB.replace("TAG", "HOME")}, ("TAG",), True),
    ],
    "env-example-unused": [
        Case(
            {"compose.yml": WEB, ".env.example": "TAG=1\nNOBODY_READS_IT=1\n", **README},
            {"compose.yml": WEB, ".env.example": "TAG=1\nNOBODY_READS_IT=1\n", **README, "a.py": "os.environ['NOBODY_READS_IT']\n"},
            ("NOBODY_READS_IT",),
            True,
        )
    ],
    "env-example-typo": [
        Case(
            {"compose.yml": DB + "      POSTGRES_DB: ${POSTGRES_DB}\n", ".env.example": "POSTGRES_PASSWORD=change-me\nPOSTGRES_DBNAME=app\n", **README},
            {"compose.yml": DB, ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            ("POSTGRES_DB", "POSTGRES_DBNAME"),
            True,
        )
    ],
    "env-service-variable-missing": [
        Case(
            {
                "compose.yml": BUILT + "    environment:\n      PORT: '1'\n",
                ".env.example": "A=1\n",
                **NODE,
                "web/index.js": "if (!process.env.SESSION_KEY) throw new Error('SESSION_KEY is not set')\nconsole.log(process.env.A)\n",
                **README,
            },
            {
                "compose.yml": BUILT + "    environment:\n      SESSION_KEY: x\n",
                **NODE,
                "web/index.js": "if (!process.env.SESSION_KEY) throw new Error('SESSION_KEY is not set')\n",
            },
            ("SESSION_KEY", "web"),
            True,
        )
    ],
    "env-default-differs": [
        Case(
            {"compose.yml": "services:\n  a:\n    image: a\n    environment:\n      A: ${X:-one}\n      B: ${X:-two}\n"},
            {"compose.yml": "services:\n  a:\n    image: a\n    environment:\n      A: ${X:-one}\n      B: ${X:-one}\n"},
            ("'one'", "'two'"),
            True,
        ),
        Case(
            {"compose.yml": "services: {a: {image: 'a:${TAG:-1}'}}\n", ".env.example": "TAG=2\n", **README},
            {"compose.yml": "services: {a: {image: 'a:${TAG:-1}'}}\n", ".env.example": "TAG=1\n", **README},
            ("'1'", "'2'", ".env.example line 1"),
            False,
        ),
    ],
    "env-file-misplaced": [
        Case(
            {"docker/compose.yml": WEB, ".env.example": "TAG=1\n", **README},
            {"docker/compose.yml": WEB, ".env.example": "TAG=1\n", "up.sh": "docker compose --env-file .env -f docker/compose.yml up\n", **README},
            ("docker/.env", "TAG"),
            False,
        )
    ],
    "env-file-missing": [
        Case(
            {"compose.yml": "services:\n  a:\n    image: a\n    env_file: web.env\n"},
            {"compose.yml": "services:\n  a:\n    image: a\n    env_file: web.env\n", "web.env.example": "A=1\n"},
            ("web.env",),
            True,
        ),
        Case(
            {"docker/compose.yml": "services:\n  a:\n    image: a\n    env_file: .env\n", ".env.example": "A=1\n", **README},
            {"docker/compose.yml": "services:\n  a:\n    image: a\n    env_file: [{path: .env, required: false}]\n", "a.sh": "echo $A\n", **README},
            (".env.example is the example of .env",),
            True,
        ),
    ],
    "env-port-mismatch": [
        Case(
            {"compose.yml": BUILT + "    environment:\n      PORT: \"8080\"\n    ports: ['3000:3000']\n", **NODE},
            {"compose.yml": BUILT + "    environment:\n      PORT: \"8080\"\n    ports: ['3000:8080']\n", **NODE},
            ("PORT=8080", "3000"),
            True,
        ),
        Case(
            {"compose.yml": BUILT + "    environment:\n      PORT: ${PORT}\n    ports: ['3000:3000']\n", ".env.example": "PORT=3001\n", **NODE, **README},
            {"compose.yml": BUILT + "    environment:\n      PORT: ${PORT}\n    ports: ['3000:3000']\n", ".env.example": "PORT=3000\n", **NODE, **README},
            (".env.example line 1",),
            True,
        ),
    ],
    "env-file-broken": [
        Case({"compose.yml": WEB, ".env.example": "TAG=1\nA B=1\n", **README}, {"compose.yml": WEB, ".env.example": "TAG=1\n", **README}, ("line 2",), False),
        Case({"compose.yml": WEB, ".env.example": "TAG='1\n", **README}, {"compose.yml": WEB, ".env.example": "TAG='1'\n", **README}, ("unterminated",), False),
    ],
    "env-file-duplicate": [
        Case(
            {"compose.yml": WEB, ".env.example": "TAG=1\n# more\nTAG=2\n", **README},
            {"compose.yml": WEB, ".env.example": "TAG=2\n", **README},
            ("lines 1, 3", "differ"),
            True,
        )
    ],
    "env-file-colon": [
        Case(
            {"compose.yml": WEB, ".env.example": "TAG: one\n", **README},
            {"compose.yml": WEB, ".env.example": "TAG=a: b\n", **README},
            ("TAG",),
            True,
        )
    ],
    "env-image-variable-missing": [
        Case(
            {"compose.yml": "services:\n  db:\n    image: postgres:17\n"},
            {"compose.yml": "services:\n  db:\n    image: postgres:17\n    environment: [POSTGRES_HOST_AUTH_METHOD=trust]\n"},
            ("POSTGRES_PASSWORD", "none of them"),
            False,
        ),
        Case(
            {"compose.yml": DB.replace(":?", ""), ".env.example": "POSTGRES_PASSWORD=\n", **README},
            {"compose.yml": "services:\n  db:\n    image: postgres:17\n    env_file: db.env\n", "db.env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            ("empty",),
            False,
        ),
    ],
    "env-image-variable-typo": [
        Case(
            {"compose.yml": DB + "      POSTGRES_DBNAME: app\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            {"compose.yml": DB + "      POSTGRES_DB: app\n      POSTGRES_HOST: db\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            ("POSTGRES_DBNAME", "it reads POSTGRES_DB"),
            True,
        )
    ],
    "env-database-url-mismatch": [
        Case(
            {"compose.yml": DB + "      POSTGRES_USER: app\n  web:\n    image: w\n    environment:\n      URL: postgres://other@db:5432/app\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            {"compose.yml": DB + "      POSTGRES_USER: app\n  web:\n    image: w\n    environment:\n      URL: postgres://app@db:5432/app\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            ("user other", "with app"),
            True,
        ),
        Case(
            {"compose.yml": DB + "  web:\n    image: w\n    environment:\n      URL: postgres://postgres@db/app?sslmode=disable\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            {"compose.yml": DB + "  web:\n    image: w\n    environment:\n      URL: postgres://postgres@elsewhere/app\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            ("database app",),
            True,
        ),
        Case(
            {"compose.yml": DB + "  web:\n    image: w\n    environment:\n      URL: postgres://postgres:${P}@db/postgres\n", ".env.example": "POSTGRES_PASSWORD=change-me\nP=y\n", **README},
            {"compose.yml": DB + "  web:\n    image: w\n    environment:\n      URL: postgres://postgres:${POSTGRES_PASSWORD}@db/postgres\n", ".env.example": "POSTGRES_PASSWORD=change-me\n", **README},
            ("another password",),
            False,
        ),
    ],
    "env-example-unmentioned": [
        Case({"compose.yml": WEB, ".env.example": "TAG=1\n", "README.md": "Hello.\n"}, {"compose.yml": WEB, ".env.example": "TAG=1\n", **README}, (".env",), False)
    ],
    "env-example-secret": [
        Case(
            {"compose.yml": WEB + "    environment: ['API_KEY=${API_KEY}']\n", ".env.example": f"TAG=1\nAPI_KEY={token_of('env-rules')}\n", **README},
            {"compose.yml": WEB + "    environment: ['API_KEY=${API_KEY}']\n", ".env.example": "TAG=1\nAPI_KEY=change-me\n", **README},
            ("API_KEY", "40 characters"),
            False,
        )
    ],
}  # fmt: skip
EACH = [(rule, case) for rule, cases in CASES.items() for case in cases]
IDS = [f"{rule}-{number}" for rule, cases in CASES.items() for number in range(len(cases))]
PATCHED = [(rule, case) for rule, case in EACH if case.patched]


def found(files: Mapping[str, str], rule: str) -> list[Finding]:
    return [finding for finding in detect(setup_of(files)) if finding.rule_id == rule]


def test_every_rule_has_a_case() -> None:
    own = {record["id"] for record in load_yaml(rules_dir() / "env.yml")["rules"]}
    assert own == set(CASES)


@pytest.mark.parametrize(("rule", "case"), EACH, ids=IDS)
def test_found_and_not_found(rule: str, case: Case) -> None:
    hits = found(case.bad, rule)
    assert len(hits) == 1
    for words in case.says:
        assert words in hits[0].message
    assert bool(hits[0].fix.patch) == case.patched
    assert found(case.good, rule) == []


@pytest.mark.parametrize(("rule", "case"), PATCHED)
def test_patch_mends(tmp_path: Path, rule: str, case: Case) -> None:
    root = write_files(tmp_path / "project", case.bad)
    before = list(detect(read_setup(root)))
    finding = next(each for each in before if each.rule_id == rule)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"], cwd=root, check=True, input=finding.fix.patch, text=True
    )
    after = list(detect(read_setup(root)))
    assert finding.fingerprint not in {each.fingerprint for each in after}
    known = {each.fingerprint for each in before}
    assert [
        each.message for each in after if each.fingerprint not in known and each.severity.rank >= Severity.MEDIUM.rank
    ] == []


def test_nothing_without_compose() -> None:
    assert list(detect(setup_of({".env": "A=1\nA=2\n", ".env.example": "B B\n"}))) == []


def test_a_branch_and_a_tag_may_have_different_defaults() -> None:
    compose = (
        "services:\n  web:\n    image: w:${VERSION-latest}\n    build:\n      context: .\n"
        "      args: ['BRANCH=${VERSION-master}']\n"
    )
    assert found({"compose.yml": compose}, "env-default-differs") == []


def test_what_another_platform_gives_for_an_external_secret_is_not_known() -> None:
    plain = "services:\n  db:\n    image: postgres:17\n"
    (sure,) = found({"compose.yml": plain}, "env-image-variable-missing")
    external = plain + "    secrets: [pg]\nsecrets:\n  pg:\n    external: true\n"
    (doubted,) = found({"compose.yml": external}, "env-image-variable-missing")
    assert (sure.severity, doubted.severity) == (Severity.HIGH, Severity.MEDIUM)
