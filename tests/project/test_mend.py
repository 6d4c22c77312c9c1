"""Edits of compose files in whatever style, and what no patch may show."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mended import check_patches

from imgscan.model import Finding
from imgscan.project.health.detect import detect as health
from imgscan.project.mend import shows_secret
from imgscan.project.network.detect import detect as network
from imgscan.project.setup import Setup, read_setup

SECRETS = {
    "a password": ("POSTGRES_PASSWORD: {}", True),
    "a password in a list": ('- "DB_PASSWORD={}"', True),
    "below another key": ("environment:\n  API_TOKEN: {}", True),
    "a URL": ("url: postgres://app:{}@db/app", True),
    "a variable": ("POSTGRES_PASSWORD: ${{PASSWORD}}", False),
    "a URL with a variable": ("url: postgres://app:${{PASSWORD}}@db/app", False),
    "a file": ("POSTGRES_PASSWORD_FILE: /run/secrets/{}", False),
    "a placeholder": ("POSTGRES_PASSWORD: changeme", False),
    "another name": ("POSTGRES_USER: {}", False),
    "a URL without one": ("url: http://db:5432/{}", False),
}


@pytest.mark.parametrize(("text", "shown"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_seen(text: str, *, shown: bool) -> None:
    value = "vK9x" + "Q7zB2mL4"
    assert shows_secret(text.format(value)) is shown


STYLES: dict[str, str] = {
    "line ends of Windows": (
        "services:\r\n  db:\r\n    image: postgres:17\r\n    healthcheck:\r\n      test: pg_isready\r\n"
        "  api:\r\n    image: x\r\n    depends_on:\r\n      - db\r\n"
    ),
    "four blanks": (
        "services:\n    db:\n        image: postgres:17\n        healthcheck:\n            test: pg_isready\n"
        "    api:\n        image: x\n        depends_on:\n            - db\n"
    ),
    "no line end at the end": "services:\n  r:\n    image: redis\n    ports: ['6379:6379']\n    healthcheck: {test: redis-cli ping}",
    "flow style": "services: {db: {image: 'postgres:17', ports: ['5432:5432'], healthcheck: {test: [CMD, pg_isready]}}}\n",
    "a block of text": "services:\n  db:\n    image: postgres:17\n    healthcheck:\n      test: >-\n        pg_isready\n        -U app\n",
    "a list of lines": "services:\n  db:\n    image: postgres:17\n    healthcheck:\n      test:\n        - CMD\n        - pg_isready\n        - -U\n        - app\n",
    "an anchor": (
        "x-check: &check\n  interval: 5s\n  test: pg_isready\nservices:\n  a:\n    image: postgres:17\n    healthcheck: *check\n"
        "  b:\n    image: postgres:17\n    healthcheck:\n      <<: *check\n      retries: 3\n"
    ),
    "comments": (
        "services:\n  # the database\n  db: # here\n    # its image\n    image: postgres:17 # pinned\n    # asks\n    healthcheck:\n"
        '      # how\n      test: ["CMD", "pg_isready"] # so\n  api:\n    image: x\n    depends_on: # these\n      # first\n      - db # yes\n'
    ),
    "not ASCII": "# ä€😀\nservices:\n  db:\n    image: postgres:17\n    healthcheck:\n      test: pg_isready # ü\n",
    "a shell in a list": 'services:\n  db:\n    image: postgres:17\n    healthcheck:\n      test: ["CMD-SHELL", "pg_isready"]\n',
    "a shell of one's own": "services:\n  db:\n    image: postgres:17\n    healthcheck:\n      test: [CMD, sh, -c, 'pg_isready']\n",
    "quoted keys": 'services:\n  "db":\n    "image": "postgres:17"\n    "healthcheck":\n      "test": "pg_isready"\n',
}


@pytest.mark.parametrize("detect", [health, network], ids=["health", "network"])
@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_patches_apply_in_every_style(text: str, detect: Callable[[Setup], Iterator[Finding]], tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "compose.yaml").write_bytes(text.encode())
    check_patches(root, detect)


def test_two_files_that_are_merged(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "compose.yaml").write_text(
        "services:\n  db:\n    image: postgres:17\n  api:\n    image: x\n    depends_on: [db]\n"
    )
    (root / "compose.override.yaml").write_text(
        "services:\n  db:\n    ports: ['5432:5432']\n    healthcheck:\n      test: pg_isready\n"
    )
    assert check_patches(root, lambda setup: iter([*health(setup), *network(setup)]))


TESTS = {
    "a plain text": ("pg_isready -U a", ("pg_isready -h 127.0.0.1 -U a",)),
    "a text in quotes": ('"pg_isready"', ("pg_isready -h 127.0.0.1",)),
    "words": ('["CMD", "pg_isready", "-U", "a"]', ("pg_isready", "-h", "127.0.0.1", "-U", "a")),
    "words without quotes": ("[CMD, pg_isready, -U, a]", ("pg_isready", "-h", "127.0.0.1", "-U", "a")),
    "a shell's text": ('["CMD-SHELL", "pg_isready || exit 1"]', ("pg_isready -h 127.0.0.1 || exit 1",)),
    "a shell of one's own": ('["CMD", "sh", "-c", "pg_isready"]', ("sh", "-c", "pg_isready -h 127.0.0.1")),
}


@pytest.mark.parametrize(("test", "expected"), TESTS.values(), ids=TESTS)
def test_arguments_land_where_the_program_reads_them(test: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "compose.yaml").write_text(
        f"services:\n  db:\n    image: postgres:17\n    healthcheck:\n      test: {test}\n"
    )
    (found,) = [finding for finding in health(read_setup(root)) if finding.rule_id == "ops-health-over-socket"]
    subprocess.run(["git", "apply", "-"], input=found.fix.patch, text=True, cwd=root, check=True)
    (project,) = read_setup(root).composes
    check = project.services["db"].healthcheck
    assert check is not None
    assert check.test is not None
    assert check.test.words == expected
