"""What of a monorepo makes rebuilds do more than an edit needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import make_project
from setups import setup_of

from imgscan.project import nocacheflags, workspacecache

FILES: dict[str, str | int] = {
    "package.json": '{"name": "root"}',
    "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
    "pnpm-workspace.yaml": "packages: [api, web, shared]\n",
    "api/package.json": '{"name": "api", "dependencies": {"shared": "workspace:*"}, "scripts": {"build": "tsc"}}',
    "api/index.ts": "x",
    "shared/package.json": '{"name": "shared", "scripts": {"build": "tsc"}}',
    "web/package.json": '{"name": "web", "scripts": {"build": "vite build"}}',
    "web/app.ts": "x",
}
HEAD = "FROM node:24 AS build\nWORKDIR /app\n"
MANIFESTS = "COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./\nCOPY api/package.json api/\n"
INSTALL = "RUN pnpm install --frozen-lockfile\n"


@pytest.mark.parametrize(
    ("dockerfile", "rule_ids"),
    [
        pytest.param(
            HEAD + "COPY . .\nRUN --mount=type=cache,target=/s pnpm install\nRUN pnpm --filter 'api...' build\n",
            ["cache-workspace-copy"],
            id="another-member-comes-along",
        ),
        pytest.param(
            HEAD + "COPY . .\nRUN --mount=type=cache,target=/s pnpm install\nRUN pnpm -r build\n",
            [],
            id="all-are-built",
        ),
        pytest.param(
            HEAD + "COPY . .\nRUN --mount=type=cache,target=/s pnpm install\n"
            "RUN pnpm --filter 'api...' build && pnpm --filter web build\n",
            [],
            id="both-are-built",
        ),
        pytest.param(
            HEAD + "COPY api api\nCOPY shared shared\nRUN pnpm --filter 'api...' build\n", [], id="only-what-is-needed"
        ),
        pytest.param(HEAD + MANIFESTS + INSTALL, ["cache-manifest-edit-installs"], id="no-fetch"),
        pytest.param(
            HEAD + "COPY pnpm-lock.yaml pnpm-workspace.yaml ./\nRUN pnpm fetch\n" + MANIFESTS + INSTALL, [], id="fetch"
        ),
        pytest.param(
            HEAD + MANIFESTS + "RUN --mount=type=cache,target=/s pnpm install --frozen-lockfile\n"
            "FROM node:24\nWORKDIR /app\n" + MANIFESTS + "RUN --mount=type=cache,target=/s pnpm install "
            "--frozen-lockfile\nCOPY --from=build /app/x x\n",
            ["cache-install-repeated"],
            id="twice-the-same",
        ),
        pytest.param(
            HEAD + MANIFESTS + "RUN --mount=type=cache,target=/s pnpm install --frozen-lockfile\n"
            "FROM node:24\nWORKDIR /app\n" + MANIFESTS + "RUN --mount=type=cache,target=/s pnpm install "
            "--frozen-lockfile --prod\nCOPY --from=build /app/x x\n",
            [],
            id="once-for-production",
        ),
    ],
)
def test_dockerfile(tmp_path: Path, dockerfile: str, rule_ids: list[str]) -> None:
    project = make_project(tmp_path, dockerfile, FILES)
    assert [f.rule_id for f in workspacecache.detect(project.dockerfile, project.context)] == rule_ids


def test_the_members_that_come_along_are_named(tmp_path: Path) -> None:
    text = HEAD + "COPY . .\nRUN --mount=type=cache,target=/s pnpm install\nRUN pnpm --filter 'api...' build\n"
    project = make_project(tmp_path, text, FILES)
    (finding,) = workspacecache.detect(project.dockerfile, project.context)
    assert "a build of api, shared: an edit in web (2 files) builds again" in finding.message
    assert "`COPY api api`, `COPY shared shared`" in finding.fix.text


@pytest.mark.parametrize(
    ("command", "count"),
    [
        pytest.param("docker build --no-cache -t x .", 1, id="docker"),
        pytest.param("docker compose -f a.yml build --no-cache", 1, id="compose"),
        pytest.param("docker buildx build --no-cache .", 1, id="buildx"),
        pytest.param("docker build .", 0, id="with-the-cache"),
        pytest.param("apk add --no-cache curl", 0, id="another-program"),
    ],
)
def test_scripts(command: str, count: int) -> None:
    setup = setup_of({"build.sh": f"#!/bin/sh\n{command}\n"})
    assert len(list(nocacheflags.detect(setup))) == count
