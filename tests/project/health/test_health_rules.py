"""Every rule of OPS-001: what it fires on, what it leaves alone, and what its patch does."""

from __future__ import annotations

from pathlib import Path

import pytest
from mended import check_patches
from setups import setup_of, write_files

from imgscan.model import Evidence, Finding, Severity
from imgscan.project.health.detect import detect

WEB = "from fastapi import FastAPI\nimport uvicorn\napp = FastAPI()\n\n\n@app.get('/health')\ndef h(): ...\n"
SERVE = "import { serve } from '@hono/node-server';\nserve({ fetch: app.fetch, hostname: %s, port: 3001 });\n"
EXPRESS = "const app = require('express')();\napp.get('/healthz', (q, r) => r.send('ok'));\napp.listen(3000);\n"


def compose(body: str, top: str = "") -> str:
    lines = [f"  {line}" if line else "" for line in body.strip("\n").split("\n")]
    return "services:\n" + "\n".join(lines) + "\n" + top


def db(check: str, more: str = "") -> str:
    return compose(
        f"db:\n  image: postgres:17\n  restart: always\n{more}  healthcheck:\n    {check}\n    start_period: 60s"
    )


def built(check: str, more: str = "") -> str:
    return compose(
        f"web:\n  build: .\n  ports: ['3000:3000']\n  restart: always\n{more}"
        f"  healthcheck:\n    {check}\n    start_period: 30s"
    )


def node(dockerfile: str, check: str, source: str = EXPRESS) -> dict[str, str]:
    return {
        "compose.yaml": built(check),
        "Dockerfile": dockerfile,
        "index.js": source,
        "package.json": '{"dependencies": {"express": "4"}}',
    }


ALPINE = 'FROM node:24-alpine\nCOPY . .\nEXPOSE 3000\nCMD ["node", "index.js"]\n'
SLIM = ALPINE.replace("alpine", "bookworm-slim")

BAD = {
    "no check at all": ("ops-health-missing", {"compose.yaml": compose("db:\n  image: postgres:17")}),
    "no check of a built service": (
        "ops-health-missing",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3000:3000']"),
            "Dockerfile": ALPINE,
            "index.js": EXPRESS,
        },
    ),
    "switched off": (
        "ops-health-disabled",
        {"compose.yaml": compose("db:\n  image: postgres:17\n  healthcheck:\n    disable: true")},
    ),
    "test is NONE": (
        "ops-health-disabled",
        {"compose.yaml": compose("db:\n  image: postgres:17\n  healthcheck:\n    test: [NONE]")},
    ),
    "HEALTHCHECK NONE": (
        "ops-health-disabled",
        {"compose.yaml": compose("web:\n  build: ."), "Dockerfile": ALPINE + "HEALTHCHECK NONE\n"},
    ),
    "no start_period": (
        "ops-health-no-start-period",
        {"compose.yaml": compose("r:\n  image: redis:7\n  healthcheck:\n    test: redis-cli ping")},
    ),
    "short start_period of a database": (
        "ops-health-no-start-period",
        {"compose.yaml": db("test: pg_isready -h 127.0.0.1").replace("60s", "5s")},
    ),
    "localhost by busybox": (
        "ops-health-localhost",
        node(ALPINE, 'test: ["CMD", "wget", "-q", "-O-", "http://localhost:3000/healthz"]', "start();"),
    ),
    "localhost in the Dockerfile": (
        "ops-health-localhost",
        {
            "compose.yaml": compose("web:\n  build: ."),
            "Dockerfile": ALPINE
            + "HEALTHCHECK --start-period=30s CMD wget -q http://localhost:3000/healthz || exit 1\n",
            "index.js": "start();",
        },
    ),
    "pg_isready in a shell": ("ops-health-over-socket", {"compose.yaml": db("test: pg_isready -U app")}),
    "pg_isready in a list": (
        "ops-health-over-socket",
        {"compose.yaml": db('test: ["CMD", "pg_isready", "-U", "app"]')},
    ),
    "mysqladmin": (
        "ops-health-over-socket",
        {"compose.yaml": db('test: ["CMD", "mysqladmin", "ping"]').replace("postgres:17", "mysql:8")},
    ),
    "mysqladmin on localhost": (
        "ops-health-over-socket",
        {"compose.yaml": db("test: mysqladmin ping -h localhost").replace("postgres:17", "mysql:8")},
    ),
    "variable of compose": (
        "ops-health-compose-variable",
        {
            "compose.yaml": db("test: pg_isready -h 127.0.0.1 -U ${PG_USER:-app}", "  env_file: [db.env]\n"),
            "db.env": "PG_USER=someone\n",
        },
    ),
    "or true": ("ops-health-always-green", node(SLIM, "test: node check.js || true")),
    "exit 0": ("ops-health-always-green", node(SLIM, "test: node check.js; exit 0")),
    "true": ("ops-health-always-green", node(SLIM, 'test: ["CMD", "true"]')),
    "curl without -f": (
        "ops-health-always-green",
        node(SLIM.replace("-slim", ""), 'test: ["CMD", "curl", "http://127.0.0.1:3000/healthz"]'),
    ),
    "curl without -f in a shell": (
        "ops-health-always-green",
        node(SLIM.replace("-slim", ""), "test: curl -sS http://127.0.0.1:3000/healthz || exit 1"),
    ),
    "wrong port": ("ops-health-wrong-target", node(SLIM, "test: node -e \"fetch('http://127.0.0.1:8080/healthz')\"")),
    "wrong path": ("ops-health-wrong-target", node(SLIM, "test: node -e \"fetch('http://127.0.0.1:3000/health')\"")),
    "timeout over interval": (
        "ops-health-timing",
        {"compose.yaml": db("test: pg_isready -h 127.0.0.1\n    interval: 5s\n    timeout: 30s")},
    ),
    "start_interval": (
        "ops-health-timing",
        {"compose.yaml": db("test: pg_isready -h 127.0.0.1\n    start_interval: 90s")},
    ),
    "short depends_on": (
        "ops-depends-on-started",
        {
            "compose.yaml": db("test: pg_isready -h 127.0.0.1")
            + "  api:\n    image: x/api\n    depends_on:\n      - db\n"
        },
    ),
    "short depends_on in brackets": (
        "ops-depends-on-started",
        {"compose.yaml": db("test: pg_isready -h 127.0.0.1") + "  api:\n    image: x/api\n    depends_on: [db]\n"},
    ),
    "list at the key's own depth": (
        "ops-depends-on-started",
        {
            "compose.yaml": db("test: pg_isready -h 127.0.0.1")
            + '  api:\n    image: x/api\n    depends_on:\n    - "db" # why\n'
        },
    ),
    "waits for nothing": (
        "ops-depends-on-unchecked",
        {
            "compose.yaml": compose(
                "r:\n  image: redis:7\napi:\n  image: x\n  depends_on: {r: {condition: service_healthy}}"
            )
        },
    ),
    "circle": (
        "ops-depends-on-circle",
        {"compose.yaml": compose("a:\n  image: a\n  depends_on: [b]\nb:\n  image: b\n  depends_on: [a]")},
    ),
    "loopback in a call": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3001:3001']"),
            "Dockerfile": ALPINE,
            "index.js": SERVE % "'127.0.0.1'",
        },
    ),
    "loopback by a fallback": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3001:3001']"),
            "Dockerfile": ALPINE,
            "index.js": SERVE % "process.env.BIND_TO ?? 'localhost'",
        },
    ),
    "fastify's default": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3000:3000']"),
            "Dockerfile": ALPINE,
            "index.js": "import fastify from 'fastify';\nconst app = fastify();\nawait app.listen({ port: 3000 });\n",
        },
    ),
    "uvicorn.run": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['8000:8000']"),
            "Dockerfile": 'FROM python:3.13-slim\nCOPY . .\nCMD ["python", "main.py"]\n',
            "main.py": WEB + "uvicorn.run(app, port=8000)\n",
        },
    ),
    "uvicorn's command line": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose(
                "web:\n  build: .\n  ports: ['8000:8000']\n  command: uvicorn main:app --port 8000"
            ),
            "Dockerfile": "FROM python:3.13-slim\n",
            "main.py": WEB,
        },
    ),
    "uvicorn in the exec form": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['8000:8000']"),
            "Dockerfile": 'FROM python:3.13-slim\nCMD ["uvicorn", "main:app", "--port", "8000"]\n',
        },
    ),
    "flask in the shell form": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['5000:5000']"),
            "Dockerfile": "FROM python:3.13-slim\nCMD flask run\n",
        },
    ),
    "runserver of Django in a list": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose(
                "web:\n  build: .\n  ports: ['8000:8000']\n  command: ['python', 'manage.py', 'runserver']"
            ),
            "Dockerfile": "FROM python:3.13-slim\n",
        },
    ),
    "gunicorn with a host": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['1:80']\n  command: 'gunicorn -b 127.0.0.1:80 a:a'"),
            "Dockerfile": "FROM python:3.13-slim\n",
        },
    ),
    "vite by a package script": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['5173:5173']"),
            "Dockerfile": 'FROM node:24\nCMD ["npm", "run", "dev"]\n',
            "package.json": '{"scripts": {"dev": "vite --port 5173"}}',
        },
    ),
    "no restart policy": ("ops-restart-missing", {"compose.yaml": compose("db:\n  image: postgres:17")}),
    "shell in front": (
        "ops-signals-lost",
        {
            "compose.yaml": compose("web:\n  build: ."),
            "Dockerfile": "FROM node:24\nCMD node migrate.js && node index.js\n",
        },
    ),
    "short stop": (
        "ops-stop-grace-short",
        {
            "compose.yaml": compose(
                "db:\n  image: postgres:17\n  volumes: ['d:/var/lib/postgresql/data']", "volumes: {d: {}}\n"
            )
        },
    ),
    "curl in a slim image": ("ops-health-tool-unavailable", node(SLIM, "test: curl -f http://127.0.0.1:3000/healthz")),
    "curl in alpine": (
        "ops-health-tool-unavailable",
        node(ALPINE, 'test: ["CMD", "curl", "-f", "http://127.0.0.1:3000/healthz"]'),
    ),
    "a shell in distroless": (
        "ops-health-tool-unavailable",
        node("FROM gcr.io/distroless/nodejs24\nCOPY . .\n", "test: node check.js"),
    ),
}


def ids(findings: list[Finding]) -> set[str]:
    return {finding.rule_id for finding in findings}


@pytest.mark.parametrize(("rule", "files"), BAD.values(), ids=BAD)
def test_fires_and_its_patch_mends(rule: str, files: dict[str, str], tmp_path: Path) -> None:
    root = write_files(tmp_path / "p", files)
    found = [finding for finding in detect(setup_of(files)) if finding.rule_id == rule]
    assert found
    check_patches(root, detect)


PATCHED = {
    "localhost by busybox",
    "localhost in the Dockerfile",
    "pg_isready in a shell",
    "pg_isready in a list",
    "mysqladmin",
    "variable of compose",
    "no start_period",
    "or true",
    "exit 0",
    "curl without -f",
    "curl without -f in a shell",
    "short depends_on",
    "short depends_on in brackets",
    "list at the key's own depth",
    "loopback in a call",
    "loopback by a fallback",
    "fastify's default",
    "uvicorn.run",
    "uvicorn's command line",
    "uvicorn in the exec form",
    "flask in the shell form",
    "runserver of Django in a list",
    "gunicorn with a host",
    "vite by a package script",
    "no restart policy",
    "short stop",
    "no check at all",
    "curl in a slim image",
    "curl in alpine",
}


@pytest.mark.parametrize("name", sorted(PATCHED))
def test_has_a_patch(name: str) -> None:
    rule, files = BAD[name]
    assert any(finding.rule_id == rule and finding.fix.patch for finding in detect(setup_of(files)))


GOOD = {
    "pg_isready over TCP": ("ops-health-over-socket", {"compose.yaml": db("test: pg_isready -h 127.0.0.1 -U app")}),
    "--host": ("ops-health-over-socket", {"compose.yaml": db("test: pg_isready --host=localhost")}),
    "$$": (
        "ops-health-compose-variable",
        {"compose.yaml": db("test: pg_isready -U $$PG_USER", "  env_file: [db.env]\n"), "db.env": "PG_USER=x\n"},
    ),
    "the same value by environment": (
        "ops-health-compose-variable",
        {
            "compose.yaml": db(
                "test: pg_isready -U ${PG_USER:-app}",
                "  env_file: [db.env]\n  environment: {PG_USER: '${PG_USER:-app}'}\n",
            ),
            "db.env": "X=x\n",
        },
    ),
    "curl asks both addresses": (
        "ops-health-localhost",
        node(SLIM.replace("-slim", ""), "test: curl -f http://localhost:3000/healthz"),
    ),
    "wget of Debian": (
        "ops-health-localhost",
        node(SLIM + "RUN apt-get install wget\n", "test: wget -q http://localhost:3000/healthz", "start();"),
    ),
    "a port that a variable gives to an unknown image": (
        "ops-health-wrong-target",
        {
            "compose.yaml": "services:\n  pooler:\n    image: x/pooler:2\n    environment: {PORT: 4000}\n"
            "    ports: ['5432:5432']\n    healthcheck:\n      test: curl -f http://127.0.0.1:4000/health\n"
        },
    ),
    "the value of an option of curl": (
        "ops-health-wrong-target",
        node(SLIM, "test: curl -s --noproxy localhost localhost:3000/healthz | grep -q OK"),
    ),
    "or exit 1": ("ops-health-always-green", node(SLIM, "test: node check.js || exit 1")),
    "curl -fsS": ("ops-health-always-green", node(SLIM, "test: curl -fsS http://127.0.0.1:3000/healthz")),
    "curl --fail": (
        "ops-health-always-green",
        node(SLIM, "test: curl --silent --fail localhost:3000/healthz || exit 1"),
    ),
    "curl into grep": ("ops-health-always-green", node(SLIM, "test: curl -s localhost:3000/healthz | grep -q ok")),
    "installed": (
        "ops-health-tool-unavailable",
        node(SLIM + "RUN apt-get update && apt-get install -y curl\n", "test: curl -f http://127.0.0.1:3000/healthz"),
    ),
    "wget of alpine": ("ops-health-tool-unavailable", node(ALPINE, "test: wget -q http://127.0.0.1:3000/healthz")),
    "unknown base": (
        "ops-health-tool-unavailable",
        node("FROM corp/base:1\n", "test: curl -f http://127.0.0.1:3000/healthz"),
    ),
    "a list of packages in a variable": (
        "ops-health-tool-unavailable",
        node(SLIM + "ARG P\nRUN apt-get install -y $P\n", "test: curl -f http://127.0.0.1:3000/healthz"),
    ),
    "port and path are served": (
        "ops-health-wrong-target",
        node(SLIM, "test: node -e \"fetch('http://127.0.0.1:3000/healthz')\""),
    ),
    "path below a mount": (
        "ops-health-wrong-target",
        node(
            SLIM,
            "test: node -e \"fetch('http://127.0.0.1:3000/api/v1/healthz')\"",
            EXPRESS + "app.use('/api', a);\nr.use('/v1', b);\n",
        ),
    ),
    "port of a variable": (
        "ops-health-wrong-target",
        node(
            SLIM + "ENV PORT=8080\n",
            "test: node -e \"fetch('http://127.0.0.1:8080/healthz')\"",
            EXPRESS.replace("3000", "process.env.PORT ?? 3000"),
        ),
    ),
    "check of the image": (
        "ops-health-missing",
        {"compose.yaml": compose("web:\n  build: ."), "Dockerfile": ALPINE + "HEALTHCHECK CMD node check.js\n"},
    ),
    "a task that ends": (
        "ops-health-missing",
        {
            "compose.yaml": compose(
                "job:\n  image: postgres:17\napi:\n  image: x\n  healthcheck: {test: [CMD, a]}\n"
                "  depends_on: {job: {condition: service_completed_successfully}}"
            )
        },
    ),
    "long depends_on": (
        "ops-depends-on-started",
        {
            "compose.yaml": db("test: pg_isready -h 127.0.0.1")
            + "  api:\n    image: x/api\n    depends_on: {db: {condition: service_healthy}}\n"
        },
    ),
    "nothing to wait for": (
        "ops-depends-on-started",
        {"compose.yaml": compose("r:\n  image: redis:7\napi:\n  image: x\n  depends_on: [r]")},
    ),
    "check of the built image": (
        "ops-depends-on-unchecked",
        {
            "compose.yaml": compose(
                "w:\n  build: .\napi:\n  image: x\n  depends_on: {w: {condition: service_healthy}}"
            ),
            "Dockerfile": ALPINE + "HEALTHCHECK CMD node check.js\n",
        },
    ),
    "no host means every address": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3000:3000']"),
            "Dockerfile": ALPINE,
            "index.js": EXPRESS,
        },
    ),
    "the variable is given": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['1:3001']\n  environment: {BIND_TO: 0.0.0.0}"),
            "Dockerfile": ALPINE,
            "index.js": SERVE % "process.env.BIND_TO ?? 'localhost'",
        },
    ),
    "ENV gives it": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['1:3001']"),
            "Dockerfile": ALPINE + "ENV BIND_TO=::\n",
            "index.js": SERVE % "process.env.BIND_TO ?? 'localhost'",
        },
    ),
    "gunicorn instead of app.run": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose(
                "web:\n  build: .\n  ports: ['1:8000']\n  command: gunicorn -b 0.0.0.0:8000 app:app"
            ),
            "Dockerfile": "FROM python:3.13-slim\n",
            "app.py": "from flask import Flask\napp = Flask('x')\nif __name__ == '__main__':\n    app.run()\n",
        },
    ),
    "vite's configuration has a host": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['5173:5173']"),
            "Dockerfile": 'FROM node:24\nCMD ["npm", "run", "dev"]\n',
            "package.json": '{"scripts": {"dev": "vite"}}',
            "vite.config.ts": "export default defineConfig({ server: { host: true } });\n",
        },
    ),
    "a variable before the command": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3000:3000']"),
            "Dockerfile": 'FROM node:24\nCMD ["npm", "run", "dev"]\n',
            "package.json": '{"scripts": {"dev": "HOST=0.0.0.0 nuxt dev"}}',
        },
    ),
    "gunicorn with PORT": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose(
                "web:\n  build: .\n  ports: ['1:1']\n  command: gunicorn a:a\n  environment: {PORT: '1'}"
            ),
            "Dockerfile": "FROM python:3.13\n",
        },
    ),
    "a socket": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['1:1']\n  command: uvicorn a:a --uds /run/x.sock"),
            "Dockerfile": "FROM python:3.13\n",
        },
    ),
    "rails in production": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['1:3000']\n  command: bin/rails server"),
            "Dockerfile": "FROM ruby:3.4\nENV RAILS_ENV=production\n",
        },
    ),
    "a script beside the server": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['1:3001']"),
            "Dockerfile": ALPINE.replace("index.js", "dist/main.js"),
            "scripts/login.js": SERVE % "'127.0.0.1'",
        },
    ),
    "nobody is to reach it": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: ."),
            "Dockerfile": ALPINE.replace("EXPOSE 3000\n", ""),
            "index.js": SERVE % "'127.0.0.1'",
        },
    ),
    "wget of GNU on alpine": (
        "ops-health-localhost",
        node(
            ALPINE.replace("COPY", "RUN apk add --no-cache wget\nCOPY", 1),
            "test: wget -q http://localhost:3000/healthz",
            "start();",
        ),
    ),
    "an image that may have a check": (
        "ops-depends-on-unchecked",
        {
            "compose.yaml": compose(
                "m:\n  image: mysql/mysql-server:8\n  healthcheck: {test: [CMD, a]}\n"
                "api:\n  image: x\n  depends_on: {m: {condition: service_healthy}}"
            )
        },
    ),
    "tests do not serve": (
        "ops-loopback-bind",
        {
            "compose.yaml": compose("web:\n  build: .\n  ports: ['3001:3001']"),
            "Dockerfile": ALPINE,
            "test/index.js": SERVE % "'127.0.0.1'",
            "src/index.test.js": SERVE % "'127.0.0.1'",
        },
    ),
    "exec": (
        "ops-signals-lost",
        {
            "compose.yaml": compose("web:\n  build: ."),
            "Dockerfile": "FROM node:24\nCMD node m.js && exec node index.js\n",
        },
    ),
    "init": (
        "ops-signals-lost",
        {"compose.yaml": compose("web:\n  build: .\n  init: true"), "Dockerfile": "FROM node:24\nCMD a && b\n"},
    ),
    "only one service of the circle starts": (
        "ops-depends-on-circle",
        {
            "compose.yaml": compose(
                "a:\n  image: a\n  depends_on: [b]\nb:\n  image: b\n  profiles: [p]\n  depends_on: [a]"
            )
        },
    ),
}


@pytest.mark.parametrize(("rule", "files"), GOOD.values(), ids=GOOD)
def test_leaves_alone(rule: str, files: dict[str, str]) -> None:
    assert rule not in ids(list(detect(setup_of(files))))


def test_the_two_mitigations_that_defeat_each_other_are_one_finding_with_both_places() -> None:
    files = {
        "compose.yaml": built('test: ["CMD", "wget", "--spider", "http://localhost:3001/health"]'),
        "Dockerfile": ALPINE,
        "index.js": SERVE % "'0.0.0.0'",
    }
    (found,) = [finding for finding in detect(setup_of(files)) if finding.rule_id == "ops-health-localhost"]
    assert (found.severity, found.evidence) == (Severity.HIGH, Evidence.DERIVED)
    assert [(place.path, place.line) for place in found.places] == [("compose.yaml", 7), ("index.js", 2)]
    assert "defeat each other" in found.message


def test_a_server_that_is_not_known_makes_localhost_a_matter_of_luck() -> None:
    files = node(ALPINE, 'test: ["CMD", "wget", "-q", "http://localhost:3000/healthz"]', "start();")
    (found,) = [finding for finding in detect(setup_of(files)) if finding.rule_id == "ops-health-localhost"]
    assert (found.severity, found.evidence) == (Severity.MEDIUM, Evidence.PATTERN)


def test_a_server_that_was_told_no_host_takes_both_families() -> None:
    files = node(ALPINE, 'test: ["CMD", "wget", "-q", "http://localhost:3000/healthz"]')
    assert "ops-health-localhost" not in ids(list(detect(setup_of(files))))


def test_fingerprints_do_not_hang_on_lines() -> None:
    files = BAD["localhost by busybox"][1]
    moved = {**files, "compose.yaml": "# one\n# two\n" + files["compose.yaml"]}
    first, second = (list(detect(setup_of(each))) for each in (files, moved))
    assert [finding.fingerprint for finding in first] == [finding.fingerprint for finding in second]
    assert [finding.location.line for finding in first] != [finding.location.line for finding in second]


def test_no_patch_shows_a_password() -> None:
    value = "hunter" + "2" * 8
    files = {
        "compose.yaml": compose(
            f"db:\n  image: postgres:17\n  environment:\n    POSTGRES_PASSWORD: {value}\n  healthcheck:\n    test: pg_isready"
        )
    }
    findings = list(detect(setup_of(files)))
    assert findings
    assert value not in repr(findings)


def test_without_compose_there_is_nothing_to_say() -> None:
    assert not list(detect(setup_of({"index.js": SERVE % "'127.0.0.1'", "Dockerfile": ALPINE})))


def severities(rule: str, files: dict[str, str]) -> list[Severity]:
    return [finding.severity for finding in detect(setup_of(files)) if finding.rule_id == rule]


def test_one_of_several_servers_may_be_another_ones() -> None:
    files = BAD["loopback in a call"][1]
    assert severities("ops-loopback-bind", files) == [Severity.HIGH]
    other = files | {
        "Dockerfile": ALPINE.replace("index.js", "dist/main.js"),
        "metrics.js": SERVE % "'127.0.0.1'",
    }
    assert severities("ops-loopback-bind", other) == [Severity.MEDIUM]


def test_options_that_are_spread_may_have_a_host() -> None:
    files = BAD["fastify's default"][1]
    spread = files | {"index.js": files["index.js"].replace("{ port", "{ ...options, port")}
    assert severities("ops-loopback-bind", files) == [Severity.HIGH]
    assert severities("ops-loopback-bind", spread) == [Severity.MEDIUM]


def test_a_check_that_only_the_image_may_have_is_doubted_quietly() -> None:
    text = compose(
        "m:\n  image: mysql/mysql-server:8\napi:\n  image: x\n  depends_on: {m: {condition: service_healthy}}"
    )
    assert severities("ops-depends-on-unchecked", {"compose.yaml": text}) == [Severity.LOW]
