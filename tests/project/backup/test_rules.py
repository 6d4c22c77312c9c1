"""Every rule of OPS-003: what it fires on, what it leaves alone, and what its patch does."""

from __future__ import annotations

from pathlib import Path

import pytest
from mended import check_patches
from setups import setup_of, write_files

from imgscan.model import Finding, Severity
from imgscan.project.backup.detect import detect
from imgscan.project.setup import read_setup
from imgscan.rulebook import load_rules

COMPOSE = """name: app
services:
  db:
    image: postgres:17
    environment: {POSTGRES_USER: app, POSTGRES_DB: app}
    volumes: ['db:/var/lib/postgresql/data']
volumes:
  db: {external: true, name: app_db}
"""
TOP = "#!/bin/bash\nset -euo pipefail\numask 077\n"
IN_DB = "docker compose exec -T db"
GOOD_DUMP = f'{TOP}tmp=$(mktemp)\n{IN_DB} pg_dump -Fc -U app app >"$tmp"\npg_restore --list "$tmp" >/dev/null\nmv "$tmp" /srv/app.dump\n'
GOOD_RESTORE = f"{TOP}{IN_DB} createdb -U app new\n{IN_DB} pg_restore --exit-on-error -U app -d new <$1\n"
VERIFY = f"{TOP}{IN_DB} createdb scratch\n"


def project(**scripts: str) -> dict[str, str]:
    """The project with these scripts: `backup`, `restore` …; names with two underscores are paths."""
    files = {"compose.yaml": COMPOSE, "scripts/verify-backup.sh": VERIFY}
    for name, text in scripts.items():
        files[name.replace("__", "/") if "__" in name else f"scripts/{name}.sh"] = text
    return files


def dump(command: str, top: str = TOP) -> dict[str, str]:
    return project(backup=f"{top}{command}\n", restore=GOOD_RESTORE)


def restore(command: str, top: str = TOP) -> dict[str, str]:
    return project(backup=GOOD_DUMP, restore=f"{top}{command}\n")


BAD: dict[str, tuple[str, dict[str, str]]] = {
    "a pipe": ("backup-no-pipefail", dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz", "#!/bin/bash\nset -e\n")),
    "a pipe without any option": ("backup-no-pipefail", dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz", "#!/bin/bash\n")),
    "a pipe in a POSIX shell": ("backup-no-pipefail", dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz", "#!/bin/sh\nset -eu\n")),
    "a pipe inside of the container": (
        "backup-no-pipefail",
        dump(f"{IN_DB} sh -c 'pg_dump app | gzip > /backups/a.gz'"),
    ),
    "a pipe in a make target": (
        "backup-no-pipefail",
        {"compose.yaml": COMPOSE, "Makefile": f"dump:\n\t@{IN_DB} pg_dump app | gzip > /srv/a.gz\n"},
    ),
    "a pipe in a line of cron": (
        "backup-no-pipefail",
        {"compose.yaml": COMPOSE, "crontab": "0 3 * * * docker exec app-db-1 pg_dump app | gzip > /srv/a.gz\n"},
    ),
    "a pipe in a service": (
        "backup-no-pipefail",
        {"compose.yaml": COMPOSE.replace("volumes:\n  db: {", "  dump:\n    image: postgres:17\n    command: sh -c 'pg_dump -h db app | gzip > /b/a.gz'\nvolumes:\n  db: {")},
    ),
    "a terminal": ("backup-tty", dump("docker exec -t app-db-1 pg_dump -Fc app > /srv/a.partial")),
    "a terminal and stdin": ("backup-tty", dump("docker exec -it app-db-1 pg_dump -Fc app > /srv/a.partial")),
    "a terminal of compose": ("backup-tty", dump("docker compose exec db pg_dump app > /srv/a.partial")),
    "a terminal of the first generation": ("backup-tty", dump("docker-compose exec db pg_dump app > /srv/a.partial")),
    "a terminal around a restore": ("backup-tty", restore("docker compose exec db pg_restore -e -d new <$1")),
    "the final name": ("backup-final-name", dump(f"{IN_DB} pg_dump -Fc app > /srv/app.dump")),
    "the final name with a date": (
        "backup-final-name",
        dump(f'{IN_DB} pg_dump app | gzip > "/srv/app-$(date +%F).sql.gz"'),
    ),
    "the final name without errexit": ("backup-final-name", dump(f"{IN_DB} pg_dump app > /srv/a.sql", "#!/bin/bash\n")),
    "psql goes on": ("backup-restore-errors", restore(f"{IN_DB} psql -U app -d app < backup.sql")),
    "psql goes on after gunzip": ("backup-restore-errors", restore(f"gunzip -c $1 | {IN_DB} psql -U app -d app")),
    "psql goes on with a file": ("backup-restore-errors", restore("psql -h db -U app -d app -f backup.sql")),
    "pg_restore goes on": ("backup-restore-errors", restore(f"{IN_DB} pg_restore -U app -d app <$1")),
    "mysql is forced": ("backup-restore-errors", restore("mysql --force app < backup.sql")),
    "a restore over what is there": (
        "backup-restore-over-live",
        restore(f"{IN_DB} pg_restore --exit-on-error -U app -d app <$1"),
    ),
    "nothing is read back": (
        "backup-not-verified",
        {"compose.yaml": COMPOSE, "scripts/backup.sh": f"{TOP}{IN_DB} pg_dump app > /srv/a.partial\n"},
    ),
    "a service that is none": ("backup-names-disagree", dump("docker compose exec -T postgres pg_dump app > /srv/a.partial")),
    "a container that is none": ("backup-names-disagree", dump("docker exec pg pg_dump app > /srv/a.partial")),
    "a user that is none": ("backup-names-disagree", dump(f"{IN_DB} pg_dump -U postgres app > /srv/a.partial")),
    "a database that is none": (
        "backup-names-disagree",
        dump(f"{IN_DB} pg_dump --username=app --dbname=other > /srv/a.partial"),
    ),
    "the first generation": ("backup-compose-v1", dump("docker-compose exec -T db pg_dump app > /srv/a.partial")),
    "age before the dump": (
        "backup-retention-by-age",
        dump(f"find /srv/backups -mtime +7 -delete\n{IN_DB} pg_dump app > /srv/backups/a.partial"),
    ),
    "age whatever happened": (
        "backup-retention-by-age",
        dump(f"{IN_DB} pg_dump app > /srv/a.partial || true\nfind /srv/backups -name '*.sql' -mtime +7 -exec rm {{}} +"),
    ),
    "age in a script of its own": (
        "backup-retention-by-age",
        project(backup=GOOD_DUMP, rotate_backups="#!/bin/sh\nfind /srv/backups -mtime +30 | xargs rm -f\n"),
    ),
    "a copy of a volume": (
        "backup-raw-copy",
        dump("docker run --rm -v app_db:/d -v /srv:/b alpine tar czf /b/backup.tgz /d"),
    ),
    "a copy of the path": ("backup-raw-copy", dump("docker cp app-db-1:/var/lib/postgresql/data /srv/backup")),
    "roles without a dump": (
        "backup-without-roles",
        {**dump(f"{IN_DB} pg_dump app > /srv/a.partial"), "migrations/1.sql": "create role reader;\n"},
    ),
    "a client that is too old": (
        "backup-client-too-old",
        {
            **project(backup=f"{TOP}pg_dump -h db app > /srv/a.partial\n"),
            "compose.yaml": COMPOSE.replace("volumes:\n  db: {", "  dump:\n    build: ops\nvolumes:\n  db: {"),
            "ops/Dockerfile": "FROM debian:12\nRUN apt-get install -y postgresql-client-15\n",
        },
    ),
    "a password": ("backup-password", dump("mysqldump -uroot -p%s app > /srv/a.partial" % ("tr0ub4" + "dor"))),
    "a password in the environment": (
        "backup-password",
        dump("PGPASSWORD=%s pg_dump -h db app > /srv/a.partial" % ("tr0ub4" + "dor")),
    ),
    "readable for all": (
        "backup-readable",
        dump(f"{IN_DB} pg_dump app > /srv/a.partial", "#!/bin/bash\nset -euo pipefail\n"),
    ),
    "dumps in the context": (
        "backup-in-context",
        {
            **dump(f"{IN_DB} pg_dump app > backups/a.partial"),
            "compose.yaml": COMPOSE.replace("volumes:\n  db: {", "  web:\n    build: .\nvolumes:\n  db: {"),
            "Dockerfile": "FROM a\n",
        },
    ),
    "the volume itself": (
        "backup-same-volume",
        dump(f"{IN_DB} sh -c 'pg_dump app > /var/lib/postgresql/data/a.sql'"),
    ),
    "no restore": ("backup-no-restore", {"compose.yaml": COMPOSE, "scripts/backup.sh": GOOD_DUMP}),
    "never restored": (
        "backup-never-restored",
        {"compose.yaml": COMPOSE, "scripts/backup.sh": GOOD_DUMP, "scripts/restore.sh": GOOD_RESTORE},
    ),
    "not executable": ("backup-not-executable", {**dump("true"), "scripts/backup": GOOD_DUMP, "Makefile": "b:\n\tscripts/backup\n"}),
    "line ends of Windows": ("backup-crlf", project(backup=GOOD_DUMP.replace("\n", "\r\n"), restore=GOOD_RESTORE)),
    "no shebang": ("backup-no-shebang", dump(f"{IN_DB} pg_dump app > /srv/a.partial", "set -e\n")),
    "a relative path from cron": (
        "backup-relative-path",
        {**dump(f"{IN_DB} pg_dump app > backups/a.partial"), "crontab": "0 3 * * * /srv/app/scripts/backup.sh\n"},
    ),
    "no lock": (
        "backup-no-lock",
        {**dump(f"{IN_DB} pg_dump app > /srv/a.partial"), "crontab": "0 3 * * * /srv/app/scripts/backup.sh\n"},
    ),
    "another volume": (
        "backup-names-disagree",
        dump("docker run --rm -v app_data:/data postgres:17 pg_dump app > /srv/a.partial"),
    ),
    "one store of two": (
        "backup-partial",
        {
            **dump(f"{IN_DB} pg_dump app > /srv/a.partial"),
            "compose.yaml": COMPOSE.replace(
                "volumes:\n  db: {", "  files:\n    image: minio/minio\n    volumes: ['up:/data']\nvolumes:\n  up:\n  db: {"
            ),
        },
    ),
}  # fmt: skip

GOOD: dict[str, tuple[str, dict[str, str]]] = {
    "pipefail": ("backup-no-pipefail", dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz")),
    "pipefail in a library": (
        "backup-no-pipefail",
        {**dump(f'. "$(dirname "$0")/lib.sh"\n{IN_DB} pg_dump app | gzip > /srv/a.gz', "#!/bin/bash\n"), "scripts/lib.sh": "set -Eeuo pipefail\n"},
    ),
    "pipefail in the shebang": ("backup-no-pipefail", dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz", "#!/bin/bash -eo pipefail\n")),
    "pipefail of the inner shell": (
        "backup-no-pipefail",
        dump(f"{IN_DB} bash -o pipefail -c 'pg_dump app | gzip > /b/a.gz'", "#!/bin/sh\n"),
    ),
    "pipefail of make": (
        "backup-no-pipefail",
        {
            "compose.yaml": COMPOSE,
            "Makefile": f"SHELL := bash\n.SHELLFLAGS := -eu -o pipefail -c\nd:\n\t{IN_DB} pg_dump app | gzip > /srv/a.gz\n",
        },
    ),
    "pipefail of CI": (
        "backup-no-pipefail",
        {
            "compose.yaml": COMPOSE,
            ".github/workflows/a.yml": "jobs:\n  a:\n    steps:\n      - shell: bash\n        run: pg_dump app | gzip > a.gz\n",
        },
    ),
    "the status of each": (
        "backup-no-pipefail",
        dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz\n[ ${{PIPESTATUS[0]}} -eq 0 ] || exit 1", "#!/bin/bash\n"),
    ),
    "a line of the README": (
        "backup-no-pipefail",
        {"compose.yaml": COMPOSE, "README.md": f"```sh\n{IN_DB} pg_dump app | gzip > a.gz\n```\n"},
    ),
    "no terminal": ("backup-tty", dump("docker exec -i app-db-1 pg_dump -Fc app > /srv/a.partial")),
    "a terminal for a query": ("backup-tty", dump("docker exec -it app-db-1 psql -U app")),
    "a partial name": ("backup-final-name", dump(f"{IN_DB} pg_dump app > /srv/a.partial\nmv /srv/a.partial /srv/a")),
    "a name that is moved": ("backup-final-name", dump(f'f=/srv/x\n{IN_DB} pg_dump app > "$f"\nmv "$f" /srv/a.sql')),
    "psql stops": ("backup-restore-errors", restore(f"{IN_DB} psql -v ON_ERROR_STOP=1 -U app -d app < backup.sql")),
    "one transaction": ("backup-restore-errors", restore(f"{IN_DB} pg_restore -1 -U app -d new <$1")),
    "a list of contents": ("backup-restore-errors", restore("pg_restore --list $1")),
    "a migration": (
        "backup-restore-errors",
        project(backup=GOOD_DUMP, migrate=f"{TOP}{IN_DB} psql -U app -d app < schema.sql\n"),
    ),
    "a query": ("backup-restore-errors", restore(f"{IN_DB} psql -U app -d app -c 'select 1'")),
    "mysql stops by itself": ("backup-restore-errors", restore("mysql app < backup.sql")),
    "a new database": ("backup-restore-over-live", restore(f"{IN_DB} createdb new\n{IN_DB} pg_restore -e -d new <$1")),
    "what is there is cleared": ("backup-restore-over-live", restore(f"{IN_DB} pg_restore -e --clean -d app <$1")),
    "a checksum": (
        "backup-not-verified",
        {"compose.yaml": COMPOSE, "scripts/backup.sh": f"{TOP}{IN_DB} pg_dump app > /srv/a\nsha256sum /srv/a > /srv/a.sha256\n"},
    ),
    "names of the compose file": ("backup-names-disagree", dump(f"{IN_DB} pg_dump -U app -d app > /srv/a.partial")),
    "names of the container itself": (
        "backup-names-disagree",
        dump(f"{IN_DB} sh -c 'pg_dump -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\"' > /srv/a.partial"),
    ),
    "a container of any project": ("backup-names-disagree", dump("docker exec app-db-1 pg_dump app > /srv/a.partial")),
    "a name that a run tells": ("backup-names-disagree", dump('docker exec "$1" pg_dump app > /srv/a.partial')),
    "another machine": ("backup-names-disagree", dump("ssh host docker exec pg pg_dump app > /srv/a.partial")),
    "the plugin": ("backup-compose-v1", dump(f"{IN_DB} pg_dump app > /srv/a.partial")),
    "age after a dump that went well": (
        "backup-retention-by-age",
        dump(f"{IN_DB} pg_dump app | gzip > /srv/backups/a.gz\nfind /srv/backups -mtime +7 -delete"),
    ),
    "age of something else": (
        "backup-retention-by-age",
        project(backup=GOOD_DUMP, tidy="#!/bin/sh\nfind /tmp/cache -mtime +1 -delete\n"),
    ),
    "a copy while it is stopped": (
        "backup-raw-copy",
        dump("docker compose stop db\ndocker run --rm -v app_db:/d -v /srv:/b alpine tar czf /b/backup.tgz /d\ndocker compose start db"),
    ),
    "a copy of other files": ("backup-raw-copy", dump("tar czf /srv/backup-conf.tgz conf")),
    "unpacking": ("backup-raw-copy", dump("docker run --rm -v app_db:/d -v /srv:/b alpine tar xzf /b/backup.tgz -C /d")),
    "roles with a dump": (
        "backup-without-roles",
        {
            **dump(f"{IN_DB} pg_dumpall --globals-only > /srv/r.partial\n{IN_DB} pg_dump app > /srv/a.partial"),
            "migrations/1.sql": "create role reader;\n",
        },
    ),
    "a client as new as the server": (
        "backup-client-too-old",
        {
            **project(backup=f"{TOP}pg_dump -h db app > /srv/a.partial\n"),
            "compose.yaml": COMPOSE.replace("volumes:\n  db: {", "  dump:\n    build: ops\nvolumes:\n  db: {"),
            "ops/Dockerfile": "FROM debian:12\nRUN apt-get install -y postgresql-client-17\n",
        },
    ),
    "a password of a variable": ("backup-password", dump('PGPASSWORD="$PW" pg_dump -h db app > /srv/a.partial')),
    "a port of pg_dump": ("backup-password", dump("pg_dump -p5433 -h db app > /srv/a.partial")),
    "a mask": ("backup-readable", dump(f"{IN_DB} pg_dump app > /srv/a.partial")),
    "dumps that are ignored": (
        "backup-in-context",
        {
            **dump(f"{IN_DB} pg_dump app > backups/a.partial"),
            "compose.yaml": COMPOSE.replace("volumes:\n  db: {", "  web:\n    build: .\nvolumes:\n  db: {"),
            "Dockerfile": "FROM a\n",
            ".dockerignore": "backups\n",
        },
    ),
    "another volume": ("backup-same-volume", dump(f"{IN_DB} sh -c 'pg_dump app > /backups/a.sql'")),
    "a restore": ("backup-no-restore", project(backup=GOOD_DUMP, restore=GOOD_RESTORE)),
    "a trial": ("backup-never-restored", project(backup=GOOD_DUMP, restore=GOOD_RESTORE)),
    "through a shell": (
        "backup-not-executable",
        {**dump("true"), "scripts/backup": GOOD_DUMP, "Makefile": "b:\n\tbash scripts/backup\n"},
    ),
    "line feeds": ("backup-crlf", project(backup=GOOD_DUMP)),
    "a shebang": ("backup-no-shebang", project(backup=GOOD_DUMP)),
    "an absolute path from cron": (
        "backup-relative-path",
        {**dump(f"{IN_DB} pg_dump app > /srv/a.partial"), "crontab": "0 3 * * * /srv/app/scripts/backup.sh\n"},
    ),
    "a lock": (
        "backup-no-lock",
        {
            **dump(f"exec 9>/srv/.lock; flock -n 9 || exit 5\n{IN_DB} pg_dump app > /srv/a.partial"),
            "crontab": "0 3 * * * /srv/app/scripts/backup.sh\n",
        },
    ),
    "a lock that the line of cron takes": (
        "backup-no-lock",
        {
            **dump(f"{IN_DB} pg_dump app > /srv/a.partial"),
            "crontab": "0 3 * * * flock -n /srv/.lock /srv/app/scripts/backup.sh\n",
        },
    ),
    "the volume's own name": (
        "backup-names-disagree",
        dump("docker run --rm -v app_db:/data postgres:17 pg_dump app > /srv/a.partial"),
    ),
    "both stores": (
        "backup-partial",
        {
            **dump(f"{IN_DB} pg_dump app > /srv/a.partial\nmc mirror files/up /srv/up"),
            "compose.yaml": COMPOSE.replace(
                "volumes:\n  db: {", "  files:\n    image: minio/minio\n    volumes: ['up:/data']\nvolumes:\n  up:\n  db: {"
            ),
        },
    ),
}  # fmt: skip


def found(files: dict[str, str], rule: str) -> list[Finding]:
    return [finding for finding in detect(setup_of(files)) if finding.rule_id == rule]


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    rule, files = BAD[name]
    findings = found(files, rule)
    assert findings, [finding.rule_id for finding in detect(setup_of(files))]
    assert all(finding.risk_id == "OPS-003" and finding.location.line for finding in findings)


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    rule, files = GOOD[name]
    assert not found(files, rule)


def test_every_rule_has_both() -> None:
    # Whether a drill fails, a run alone shows.
    rules = {rule for rule in load_rules() if rule.startswith("backup-")} - {"backup-drill-fails"}
    assert {rule for rule, _ in BAD.values()} == rules
    assert {rule for rule, _ in GOOD.values()} == rules


@pytest.mark.parametrize("name", BAD)
def test_patches_mend(name: str, tmp_path: Path) -> None:
    check_patches(write_files(tmp_path / "project", BAD[name][1]), detect)


PATCHED = {
    "backup-no-pipefail",
    "backup-tty",
    "backup-final-name",
    "backup-restore-errors",
    "backup-names-disagree",
    "backup-compose-v1",
    "backup-readable",
    "backup-in-context",
    "backup-not-executable",
    "backup-crlf",
    "backup-no-shebang",
}


@pytest.mark.parametrize(
    ("top", "line"),
    [
        ("#!/bin/bash\n", "set -eo pipefail"),
        ("#!/bin/bash\nset -e\n", "set -eo pipefail"),
        ("#!/bin/bash\nset -eu\n", "set -euo pipefail"),
        ("#!/bin/bash\nset -Eeu\n", "set -Eeuo pipefail"),
    ],
)
def test_the_patch_writes_what_the_text_says(top: str, line: str) -> None:
    (found,) = (
        finding
        for finding in detect(setup_of(dump(f"{IN_DB} pg_dump app | gzip > /srv/a.gz", top)))
        if finding.rule_id == "backup-no-pipefail"
    )
    assert found.fix.text.startswith(f"`{line}`")
    assert f"\n+{line}\n" in (found.fix.patch or "")


def test_rules_that_make_patches() -> None:
    made = {finding.rule_id for _, files in BAD.values() for finding in detect(setup_of(files)) if finding.fix.patch}
    assert made == PATCHED


def test_a_password_is_not_shown() -> None:
    word = "tr0ub4" + "dor"
    for name in ("a password", "a password in the environment"):
        for finding in detect(setup_of(BAD[name][1])):
            assert word not in f"{finding.message}{finding.fix}"


def test_a_binary_dump_through_a_terminal_is_worse_than_text() -> None:
    binary = found(dump("docker exec -t app-db-1 pg_dump -Fc app > /srv/a.partial"), "backup-tty")
    text = found(dump("docker exec -t app-db-1 pg_dump app > /srv/a.partial"), "backup-tty")
    said = found(
        {"compose.yaml": COMPOSE, "README.md": "# x\n\n    docker exec -t app-db-1 pg_dump app > a.sql\n"}, "backup-tty"
    )
    assert [one.severity for one in (*binary, *text, *said)] == [Severity.HIGH, Severity.MEDIUM, Severity.LOW]


def test_the_scripts_that_a_patch_brings_are_good_ones(tmp_path: Path) -> None:
    from imgscan.project.data.templates import backup_script, restore_script

    files = {
        "compose.yaml": COMPOSE,
        "scripts/backup.sh": backup_script(["compose.yaml"], "db"),
        "scripts/restore.sh": restore_script(["compose.yaml"], "db"),
    }
    setup = read_setup(write_files(tmp_path, files))
    assert {finding.rule_id for finding in detect(setup)} <= {"backup-never-restored"}
    assert not any(text.broken for text in setup.shells)
