"""Every rule of DATA-001: what it fires on, what it leaves alone, and what its patch does."""

from __future__ import annotations

from pathlib import Path

import pytest
from mended import check_patches
from setups import setup_of, write_files
from wrapperscripts import ELEVEN, SEED

from imgscan.model import Evidence, Finding, Severity
from imgscan.project.data.detect import detect
from imgscan.rulebook import load_rules

GUARDED = (
    '#!/bin/bash\nset -eu\nfor a in "$@"; do\n  case $a in\n    --volumes*) exit 3 ;;\n    --*) ;;\n'
    '    -*v*) exit 3 ;;\n  esac\ndone\ndocker compose "$@"\n'
)
BACKUP = (
    "#!/bin/bash\nset -euo pipefail\numask 077\ntmp=$(mktemp)\n"
    'docker compose exec -T db pg_dump app >"$tmp"\nmv "$tmp" /srv/app.dump\n'
)


def store(image: str = "postgres:17", mount: str = "db:/var/lib/postgresql/data", more: str = "", top: str = "") -> str:
    mounts = f"    volumes: ['{mount}']\n" if mount else ""
    volume = "" if mount.startswith(("./", "/")) or not mount else "volumes:\n  db:\n"
    return f"name: app\nservices:\n  db:\n    image: {image}\n{mounts}{more}{top or volume}"


EXTERNAL = "volumes:\n  db:\n    external: true\n    name: app_db\n"
CREATES = "#!/bin/sh\nset -eu\ndocker volume create app_db\ndocker compose up -d\n"

BAD: dict[str, tuple[str, dict[str, str]]] = {
    "a managed volume": ("data-managed-volume", {"compose.yaml": store()}),
    "a managed volume in braces": (
        "data-managed-volume",
        {"compose.yaml": store(top="volumes:\n  db: {}\n"), "up.sh": "#!/bin/sh\ndocker compose up -d\n"},
    ),
    "a managed volume with a name": (
        "data-managed-volume",
        {"compose.yaml": store(top="volumes:\n  db:\n    name: theirs\n")},
    ),
    "a managed volume of another store": (
        "data-managed-volume",
        {"compose.yaml": store("mariadb:11", "db:/var/lib/mysql")},
    ),
    "a managed volume of an image that is built": (
        "data-managed-volume",
        {
            "compose.yaml": store().replace("image: postgres:17", "build: ."),
            "Dockerfile": "FROM postgres:17 AS base\nRUN true\nFROM base\nCOPY x /x\n",
        },
    ),
    "a server that a shell starts": (
        "data-managed-volume",
        {
            "compose.yaml": store(
                "minio/minio",
                "db:/data",
                "    entrypoint: sh\n    command: -c 'mkdir -p /data/a && minio server /data'\n",
            )
        },
    ),
    "a managed volume of an image's own VOLUME": (
        "data-managed-volume",
        {
            "compose.yaml": "services:\n  app:\n    build: .\n    volumes: ['up:/srv/up']\nvolumes:\n  up:\n",
            "Dockerfile": 'FROM node:24\nVOLUME ["/srv/up"]\nCMD ["node"]\n',
        },
    ),
    "redis that is told to keep its data": (
        "data-managed-volume",
        {"compose.yaml": store("redis:7", "db:/data", "    command: redis-server --appendonly yes\n")},
    ),
    "no volume": ("data-volume-missing", {"compose.yaml": store(mount="")}),
    "no volume, a mirror's image": ("data-volume-missing", {"compose.yaml": store("mirror.io/hub/postgres:15", "")}),
    "no volume, redis told to keep": (
        "data-volume-missing",
        {"compose.yaml": store("redis:7", "", "    command: redis-server --appendonly yes\n")},
    ),
    "a managed volume of a mirror's image": ("data-managed-volume", {"compose.yaml": store("acme/postgres:17")}),
    "a managed volume at a store's place": ("data-managed-volume", {"compose.yaml": store("acme/keeper:17")}),
    "an anonymous volume": ("data-volume-missing", {"compose.yaml": store(mount="/var/lib/postgresql/data")}),
    "a mount above the declared volume": (
        "data-mount-misses",
        {"compose.yaml": store(mount="db:/var/lib/postgresql")},
    ),
    "a mount beside the data": ("data-mount-misses", {"compose.yaml": store("mysql:8", "db:/data/mysql")}),
    "a mount that PGDATA leaves": (
        "data-mount-misses",
        {"compose.yaml": store(more="    environment: {PGDATA: /pg/data}\n")},
    ),
    "PostgreSQL 18 at the old path": ("data-postgres-mount", {"compose.yaml": store("postgres:18-alpine")}),
    "the newest PostgreSQL at the old path": ("data-postgres-mount", {"compose.yaml": store("postgres")}),
    "a flavour of the newest at the old path": ("data-postgres-mount", {"compose.yaml": store("postgres:alpine")}),
    "an external volume that nobody creates": ("data-external-not-created", {"compose.yaml": store(top=EXTERNAL)}),
    "another volume is created": (
        "data-external-not-created",
        {"compose.yaml": store(top=EXTERNAL), "up.sh": "#!/bin/sh\ndocker volume create other\ndocker compose up\n"},
    ),
    "an external volume without a name": (
        "data-external-unnamed",
        {"compose.yaml": store(top="volumes:\n  db:\n    external: true\n"), "up.sh": "docker volume create db\n"},
    ),
    "a volume that another file manages": (
        "data-volume-managed-elsewhere",
        {
            "compose.yaml": store(top=EXTERNAL),
            "up.sh": CREATES,
            "other/compose.yaml": "services:\n  x:\n    image: alpine\n    volumes: ['v:/v']\n"
            "volumes:\n  v:\n    name: app_db\n",
        },
    ),
    "no name of the project": ("data-project-name", {"docker/compose.yaml": store().removeprefix("name: app\n")}),
    "data in the context": (
        "data-bind-mount",
        {
            "compose.yaml": store(mount="./pgdata:/var/lib/postgresql/data", top="  web:\n    build: .\n"),
            "Dockerfile": "FROM a\n",
        },
    ),
    "data in reach of git": (
        "data-bind-mount",
        {
            "compose.yaml": store(mount="./pgdata:/var/lib/postgresql/data"),
            ".git/HEAD": "ref: x\n",
            ".gitignore": "*.log\n",
        },
    ),
    "a package script": (
        "data-destructive-command",
        {"compose.yaml": store(), "package.json": '{\n  "scripts": {\n    "stop": "docker compose down -v"\n  }\n}\n'},
    ),
    "a make target": (
        "data-destructive-command",
        {"compose.yaml": store(), "Makefile": "DC = docker compose\nstop:\n\t@$(DC) down --volumes\n"},
    ),
    "a script with a variable": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": '#!/bin/bash\nC=(docker compose -f a.yml)\n"${C[@]}" down -v\n'},
    ),
    "a function that forwards": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": '#!/bin/bash\ndc() { docker compose "$@"; }\ndc down -vt0\n'},
    ),
    "a volume by name": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": "#!/bin/sh\ndocker volume rm -f app_db\n"},
    ),
    "a line of the README": (
        "data-destructive-command",
        {"compose.yaml": store(), "README.md": "# x\n\n```sh\n$ docker compose down -v\n```\n"},
    ),
    "everything unused": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": "#!/bin/sh\ndocker system prune -af --volumes\n"},
    ),
    "a folder of data": (
        "data-destructive-command",
        {"compose.yaml": store(mount="./data/pg:/var/lib/postgresql/data"), "x.sh": "#!/bin/sh\nrm -rf ./data/pg\n"},
    ),
    "a job of CI": (
        "data-destructive-command",
        {
            "compose.yaml": store(),
            ".github/workflows/a.yml": "jobs:\n  a:\n    steps:\n      - run: |\n          docker compose down -v\n",
        },
    ),
    "a guard that compares too little": ("data-wrapper-bypass", {"compose.yaml": store(), "ctl.sh": SEED}),
    "a wrapper without a guard": (
        "data-wrapper-bypass",
        {"compose.yaml": store(), "ctl.sh": '#!/bin/bash\ndocker compose "$@"\n'},
    ),
    "raw compose in the README": (
        "data-no-wrapper",
        {"compose.yaml": store(), "README.md": "# x\n\n    docker compose up -d\n"},
    ),
    "no backup": ("data-no-backup", {"compose.yaml": store()}),
}

GOOD: dict[str, tuple[str, dict[str, str]]] = {
    "an external volume": ("data-managed-volume", {"compose.yaml": store(top=EXTERNAL), "up.sh": CREATES}),
    "a volume of an image that keeps nothing": (
        "data-managed-volume",
        {
            "compose.yaml": "services:\n  app:\n    build: .\n    volumes: ['nm:/app/node_modules']\nvolumes:\n  nm:\n",
            "Dockerfile": 'FROM node:24\nCMD ["node"]\n',
        },
    ),
    "a cache": ("data-managed-volume", {"compose.yaml": store("memcached:1", "db:/x")}),
    "redis as a cache": ("data-volume-missing", {"compose.yaml": store("redis:7", "")}),
    "a mount from a place that is not known yet": (
        "data-volume-missing",
        {"compose.yaml": store(mount="${DB_FOLDER}:/var/lib/postgresql/data", top="volumes: {}\n")},
    ),
    "a throw-away store": (
        "data-volume-missing",
        {"compose.yaml": store(mount="", more="    tmpfs: [/var/lib/postgresql/data]\n")},
    ),
    "an image that looks after a store": ("data-volume-missing", {"compose.yaml": store("acme/postgres-exporter", "")}),
    "a place of one's own image": ("data-mount-misses", {"compose.yaml": store("acme/postgres:17", "db:/srv/pg")}),
    "PostgreSQL 18 of somebody else": (
        "data-postgres-mount",
        {"compose.yaml": store("acme/postgres:18")},
    ),
    "a mount of settings": (
        "data-mount-misses",
        {"compose.yaml": store(more="").replace("['db:", "['./init:/docker-entrypoint-initdb.d:ro', 'db:")},
    ),
    "PostgreSQL 18 at the new path": (
        "data-mount-misses",
        {"compose.yaml": store("postgres:18", "db:/var/lib/postgresql")},
    ),
    "PGDATA below the mount": (
        "data-mount-misses",
        {"compose.yaml": store(more="    environment: {PGDATA: /var/lib/postgresql/data/pg}\n")},
    ),
    "a path that the command names": (
        "data-mount-misses",
        {"compose.yaml": store("mongo:8", "db:/mongo", "    command: [mongod, --dbpath, /mongo]\n")},
    ),
    "a part of the data": (
        "data-mount-misses",
        {"compose.yaml": store("wordpress:6", "db:/var/www/html/wp-content")},
    ),
    "PostgreSQL 17 at its path": ("data-postgres-mount", {"compose.yaml": store("postgres:17.2-bookworm")}),
    "a tag that nobody knows": ("data-postgres-mount", {"compose.yaml": store("postgres:${TAG}")}),
    "PostgreSQL 18 with PGDATA": (
        "data-postgres-mount",
        {"compose.yaml": store("postgres:18", more="    environment: {PGDATA: /var/lib/postgresql/data}\n")},
    ),
    "created by a script": ("data-external-not-created", {"compose.yaml": store(top=EXTERNAL), "up.sh": CREATES}),
    "created by a name that a run tells": (
        "data-external-not-created",
        {"compose.yaml": store(top=EXTERNAL), "up.sh": "#!/bin/sh\n. ./.env\ndocker volume create \"$DB_VOLUME\"\n"},
    ),
    "created by hand, as the README says": (
        "data-external-not-created",
        {"compose.yaml": store(top=EXTERNAL), "README.md": "Run `docker volume create app_db` once.\n"},
    ),
    "created by another compose file": (
        "data-external-not-created",
        {
            "compose.yaml": store(top=EXTERNAL),
            "base/compose.yaml": "services:\n  x:\n    image: alpine\n    volumes: ['v:/v']\nvolumes:\n  v:\n    name: app_db\n",
        },
    ),
    "a name": ("data-external-unnamed", {"compose.yaml": store(top=EXTERNAL), "up.sh": CREATES}),
    "another file with another volume": (
        "data-volume-managed-elsewhere",
        {
            "compose.yaml": store(top=EXTERNAL),
            "up.sh": CREATES,
            "dev/compose.yaml": "name: dev\n" + store().removeprefix("name: app\n"),
        },
    ),
    "a project with a name": ("data-project-name", {"docker/compose.yaml": store()}),
    "data that are ignored": (
        "data-bind-mount",
        {
            "compose.yaml": store(mount="./pgdata:/var/lib/postgresql/data", top="  web:\n    build: .\n"),
            "Dockerfile": "FROM a\n",
            ".dockerignore": "pgdata\n",
            ".git/HEAD": "ref: x\n",
            ".gitignore": "/pgdata/\n",
        },
    ),
    "data outside of the project": (
        "data-bind-mount",
        {"compose.yaml": store(mount="/srv/pg:/var/lib/postgresql/data"), ".git/HEAD": "x\n"},
    ),
    "down without volumes": ("data-destructive-command", {"compose.yaml": store(), "x.sh": "docker compose down\n"}),
    "a rehearsal": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": "docker compose --dry-run down -v\n"},
    ),
    "a question": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": '#!/bin/bash\nread -p "sure? " a\n[[ $a == y ]] || exit 1\ndocker compose down -v\n'},
    ),
    "a question in a make target before": (
        "data-destructive-command",
        {
            "compose.yaml": store(),
            "Makefile": "ask:\n\t@read -p 'sure? ' a; [ $$a = y ]\n\nwipe: ask\n\tdocker compose down -v\n",
        },
    ),
    "words that are printed": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": '#!/bin/sh\necho "to reset: docker compose down -v"\n'},
    ),
    "a volume of something else": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": "#!/bin/sh\ndocker volume rm build_cache\nrm -rf dist\n"},
    ),
    "a volume of a container that is removed": (
        "data-destructive-command",
        {"compose.yaml": store(), "x.sh": "#!/bin/sh\ndocker run --rm -v app_db:/d alpine ls\ndocker compose rm -fsv web\n"},
    ),
    "a script that hands its arguments to a command of a container": (
        "data-wrapper-bypass",
        {
            "compose.yaml": store(),
            "test.sh": '#!/bin/sh\nset -e\ndocker compose down -v\ndocker compose up -d\n'
            'docker compose exec -T api run-tests "$@"\ndocker compose down -v\n',
        },
    ),
    "a guard that looks at every argument": ("data-wrapper-bypass", {"compose.yaml": store(), "ctl.sh": GUARDED}),
    "no guard and nothing to lose": (
        "data-wrapper-bypass",
        {"compose.yaml": "services:\n  web:\n    image: nginx\n", "ctl.sh": '#!/bin/bash\ndocker compose "$@"\n'},
    ),
    "a wrapper": (
        "data-no-wrapper",
        {"compose.yaml": store(), "ctl.sh": GUARDED, "README.md": "# x\n\n    docker compose up -d\n"},
    ),
    "a backup": ("data-no-backup", {"compose.yaml": store(), "backup.sh": BACKUP}),
    "a service that makes backups": (
        "data-no-backup",
        {"compose.yaml": store(top="  b:\n    image: prodrigestivill/postgres-backup-local\nvolumes:\n  db:\n")},
    ),
}  # fmt: skip


def found(files: dict[str, str], rule: str) -> list[Finding]:
    return [finding for finding in detect(setup_of(files)) if finding.rule_id == rule]


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    rule, files = BAD[name]
    findings = found(files, rule)
    assert findings, [finding.rule_id for finding in detect(setup_of(files))]
    assert all(finding.location.line for finding in findings)
    assert all(finding.risk_id == "DATA-001" for finding in findings)


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    rule, files = GOOD[name]
    assert not found(files, rule)


def test_every_rule_has_both() -> None:
    rules = {rule for rule in load_rules() if rule.startswith("data-")}
    assert {rule for rule, _ in BAD.values()} == rules
    assert {rule for rule, _ in GOOD.values()} == rules


@pytest.mark.parametrize("name", BAD)
def test_patches_mend(name: str, tmp_path: Path) -> None:
    check_patches(write_files(tmp_path / "project", BAD[name][1]), detect)


PATCHED = {
    "data-managed-volume",
    "data-mount-misses",
    "data-postgres-mount",
    "data-external-not-created",
    "data-external-unnamed",
    "data-project-name",
    "data-bind-mount",
    "data-destructive-command",
    "data-wrapper-bypass",
    "data-no-wrapper",
    "data-no-backup",
}


def test_rules_that_make_patches() -> None:
    made = {finding.rule_id for _, files in BAD.values() for finding in detect(setup_of(files)) if finding.fix.patch}
    assert made == PATCHED


SEVERE = {
    "a name that promises no deletion": ("stop.sh", "docker compose down -v\n", Severity.HIGH),
    "a name that says so": ("wipe.sh", "docker compose down -v\n", Severity.MEDIUM),
    "only on request": ("stop.sh", '[ "$1" = --all ] && docker compose down -v\n', Severity.MEDIUM),
    "a project of its own": ("stop.sh", "docker compose -p scratch down -v\n", Severity.MEDIUM),
    "the file of the tests": ("stop.sh", "docker compose -f docker-compose.test.yml down -v\n", Severity.MEDIUM),
}


@pytest.mark.parametrize("name", SEVERE)
def test_how_bad_a_command_is(name: str) -> None:
    file, script, severity = SEVERE[name]
    (finding,) = found({"compose.yaml": store(), file: f"#!/bin/sh\n{script}"}, "data-destructive-command")
    assert finding.severity is severity


def test_nothing_to_lose_is_low() -> None:
    files = {"compose.yaml": "services:\n  web:\n    image: nginx\n", "stop.sh": "docker compose down -v\n"}
    assert [finding.severity for finding in found(files, "data-destructive-command")] == [Severity.LOW]


def test_a_bypass_of_what_is_not_managed_is_less_bad() -> None:
    safe = {"compose.yaml": store(top=EXTERNAL), "up.sh": CREATES, "ctl.sh": SEED}
    other = {**safe, "volumes.yml": "volumes:\n  db:\n    name: app_db\n", "docker/volumes.yml": "volumes:\n  db:\n"}
    assert [finding.severity for finding in found(safe, "data-wrapper-bypass")] == [Severity.MEDIUM]
    assert [finding.severity for finding in found(other, "data-wrapper-bypass")] == [Severity.HIGH]


def test_the_bypasses_are_named() -> None:
    (finding,) = found({"compose.yaml": store(), "ctl.sh": SEED}, "data-wrapper-bypass")
    assert finding.evidence is Evidence.DERIVED
    assert "asks only for `down -v` and `down --volumes`; 11 other spellings" in finding.message
    assert all(f"`{spelling}`" in finding.message for spelling in ELEVEN)


def test_without_compose_there_is_nothing_to_say() -> None:
    assert not list(detect(setup_of({"x.sh": "docker compose down -v\n", "ctl.sh": SEED})))


def test_no_secret_of_a_command_is_shown() -> None:
    word = "hunter" + "2" * 6
    files = {"compose.yaml": store(), "x.sh": f"#!/bin/sh\nenv TOKEN={word} docker compose down -v\n"}
    findings = found(files, "data-destructive-command")
    assert findings
    assert all(word not in f"{finding.message}{finding.fix}" for finding in findings)


def test_a_volume_goes_where_the_newest_postgres_wants_it() -> None:
    (finding,) = (
        f for f in detect(setup_of({"compose.yaml": store("postgres", "")})) if f.rule_id == "data-volume-missing"
    )
    assert "`db_data:/var/lib/postgresql`" in finding.fix.text
