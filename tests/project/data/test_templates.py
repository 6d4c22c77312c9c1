"""The scripts that patches bring, run: what they back up comes back, and what fails leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from composes import compose_program
from setups import setup_of, write_files

from imgscan.project.data.detect import detect
from imgscan.project.data.templates import GUARD, backup_script, restore_script, wrapper_script

COMPOSE = """
name: {name}
services:
  db:
    image: imgscan-base/postgres:15
    environment: {{POSTGRES_USER: app, POSTGRES_DB: notes, POSTGRES_HOST_AUTH_METHOD: trust, POSTGRES_PASSWORD: {name}}}
    volumes: ['db:/var/lib/postgresql/data']
    healthcheck: {{test: [CMD-SHELL, pg_isready -h 127.0.0.1 -U app], interval: 1s, retries: 60}}
volumes:
  db:
"""
TEXTS = {
    "guard": f'#!/bin/bash\n{GUARD}docker compose "$@"\n',
    "wrapper": wrapper_script(["docker/a b.yml", "c.yml"]),
    "backup": backup_script(["a.yml"], "db"),
    "restore": restore_script(["a.yml"], "db"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_bash_can_read_them(name: str) -> None:
    done = subprocess.run(["bash", "-n"], input=TEXTS[name], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["guard", "wrapper"])
def test_they_let_nothing_through(name: str) -> None:
    compose = "services:\n  db:\n    image: postgres:17\n    volumes: ['d:/var/lib/postgresql/data']\nvolumes:\n  d:\n"
    setup = setup_of(
        {"compose.yaml": compose, "README.md": "# x\n\n    docker compose up\n", "scripts/ctl.sh": TEXTS[name]}
    )
    found = {finding.rule_id for finding in detect(setup)}
    assert not found & {"data-wrapper-bypass", "data-no-wrapper"}


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack of our own with the scripts beside it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in the folder of the stack."""
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=180, check=False
        )

    def sql(self, query: str) -> str:
        """What the database answers."""
        command = ("docker", "compose", "exec", "-T", "db", "psql", "-X", "-U", "app", "-d", "notes", "-Atc", query)
        done = self.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def backups(self) -> list[Path]:
        """What lies in the folder of backups."""
        return sorted((self.folder.parent / "backups").iterdir())


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    name = f"imgscan-test-{uuid.uuid4().hex[:8]}"
    files = {
        "compose.yaml": COMPOSE.format(name=name),
        "scripts/dev-ctl.sh": wrapper_script(["compose.yaml"]),
        "scripts/backup.sh": backup_script(["compose.yaml"], "db"),
        "scripts/restore.sh": restore_script(["compose.yaml"], "db"),
    }
    config = tmp_path / "config"
    (config / "cli-plugins").mkdir(parents=True)
    (config / "cli-plugins" / "docker-compose").symlink_to(compose_program("trixie"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_CONFIG": str(config)}
    for host in ("DOCKER_HOST",):
        if host in os.environ:
            environment[host] = os.environ[host]
    made = Stack(write_files(tmp_path / "project", files), environment)
    try:
        started = made.run("scripts/dev-ctl.sh", "up", "-d", "--wait")
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        made.run("docker", "compose", "down", "-v", "--timeout", "1")


@pytest.mark.engine
def test_a_backup_comes_back_and_a_failure_leaves_nothing(stack: Stack) -> None:
    stack.sql("create table t(a int, b jsonb); insert into t select g, '{}' from generate_series(1, 1000) g")
    assert stack.run("scripts/backup.sh").returncode == 0
    dump, checksum = stack.backups()
    assert (dump.suffix, checksum.name) == (".dump", f"{dump.name}.sha256")
    assert dump.stat().st_mode & 0o077 == 0
    stack.sql("delete from t")
    restored = stack.run("scripts/restore.sh", str(dump))
    assert restored.returncode == 0, restored.stderr
    assert stack.sql("select count(*) from t") == "1000"
    assert stack.sql("select count(*) from pg_database where datname like 'replaced_%'") == "1"
    dump.write_bytes(dump.read_bytes()[:300])
    assert stack.run("scripts/restore.sh", str(dump)).returncode != 0
    assert stack.sql("select count(*) from t") == "1000"
    refused = stack.run("scripts/dev-ctl.sh", "down", "-vt0")
    assert (refused.returncode, stack.sql("select 1")) == (3, "1")
    assert stack.run("docker", "compose", "stop", "--timeout", "1", "db").returncode == 0
    assert stack.run("scripts/backup.sh").returncode != 0
    assert stack.backups() == [dump, checksum]
