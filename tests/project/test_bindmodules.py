"""Mounts over the packages of an image: what is found, and what is left alone."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.project.bindmodules import detect

NODE = "FROM node:24\nWORKDIR /app\nCOPY package.json ./\nRUN npm install\nCOPY . .\n"
DEV = (
    "FROM node:24 AS deps\nWORKDIR /app\nRUN npm ci\nFROM deps AS dev\nCOPY . .\nCMD node api\nFROM node:24\nCOPY x y\n"
)
CARRIED = "FROM node:24 AS d\nRUN x\nFROM node:24\nWORKDIR /app\nCOPY --from=d /w/node_modules ./node_modules\n"
MEMBER = "FROM node:24\nWORKDIR /app/api\nRUN npm ci\n"
ELSEWHERE = "FROM node:24\nWORKDIR /opt\nRUN npm ci\nWORKDIR /app\n"

CASES = {
    "the project": (NODE, ".:/app", "", 1),
    "by a variable": ("FROM node:24\nENV D=/app\nWORKDIR $D\nRUN npm ci\n", ".:/app", "", 1),
    "a stage below the target": (DEV, ".:/app", "      target: dev\n", 1),
    "another target": (DEV, ".:/app", "", 0),
    "carried over": (CARRIED, ".:/app", "", 1),
    "a member of it": (MEMBER, ".:/app", "", 1),
    "a volume below": (NODE, ".:/app', '/app/node_modules", "", 0),
    "a named volume below": (NODE, ".:/app', 'mods:/app/node_modules", "", 0),
    "sources alone": (NODE, "./src:/app/src", "", 0),
    "the packages themselves": (NODE, "./node_modules:/app/node_modules", "", 0),
    "a folder without a manifest": (NODE, "./src:/app", "", 0),
    "a volume": (NODE, "code:/app", "", 0),
    "packages elsewhere": (ELSEWHERE, ".:/app", "", 0),
    "tools for everybody": ("FROM node:24\nWORKDIR /app\nRUN npm install -g pnpm\n", ".:/app", "", 0),
    "installed at the start": (f"{NODE}CMD npm install && node .\n", ".:/app", "", 0),
    "installed by a script": (f'{NODE}ENTRYPOINT ["./start.sh"]\n', ".:/app", "", 0),
    "no packages": ("FROM node:24\nWORKDIR /app\nCOPY . .\n", ".:/app", "", 0),
}


@pytest.mark.parametrize(("dockerfile", "mounts", "build", "count"), CASES.values(), ids=CASES)
def test_mounts(dockerfile: str, mounts: str, build: str, count: int) -> None:
    compose = (
        f"services:\n  web:\n    build:\n      context: .\n{build}    volumes: ['{mounts}']\n"
        "volumes:\n  mods: {}\n  code: {}\n"
    )
    files = {
        "compose.yaml": compose,
        "Dockerfile": dockerfile,
        "package.json": "{}",
        "api/package.json": "{}",
        "src/index.js": "x",
        "start.sh": "#!/bin/sh\nnpm ci\nexec node .\n",
    }
    found = list(detect(setup_of(files)))
    assert len(found) == count
    assert all("/node_modules" in finding.message and "`- /app/" in finding.fix.text for finding in found)


def test_the_command_of_compose_may_install() -> None:
    compose = "services:\n  web:\n    build: .\n    volumes: ['.:/app']\n    command: sh -c 'npm ci && npm start'\n"
    assert not list(detect(setup_of({"compose.yaml": compose, "Dockerfile": NODE, "package.json": "{}"})))


def test_without_node_modules_there_is_nothing_to_hide() -> None:
    compose = "services:\n  web:\n    build: .\n    volumes: ['.:/app']\n"
    files = {"compose.yaml": compose, "Dockerfile": NODE, "package.json": "{}", ".pnp.cjs": "x"}
    assert not list(detect(setup_of(files)))
