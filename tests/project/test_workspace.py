"""The faults of a monorepo's Dockerfile, one by one, and the well-made ones that must stay without a finding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from projects import make_project, read_project

from imgscan.model import Evidence, Finding, Severity
from imgscan.project.workspace import detect

SAMPLES = Path(__file__).parents[2] / "sample_images"


def manifest(name: str, *, needs: tuple[str, ...] = (), dev: tuple[str, ...] = (), **more: Any) -> str:
    data = {
        "name": name,
        "dependencies": {need: "workspace:*" if need.startswith("@x/") else "1.0.0" for need in needs},
        "devDependencies": dict.fromkeys(dev, "1.0.0"),
        **more,
    }
    return json.dumps(data)


BUILD = {"build": "tsc -p tsconfig.json"}
FILES = {
    "package.json": manifest("root", dev=("typescript",)),
    "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
    "pnpm-workspace.yaml": "packages:\n  - api\n  - 'libs/*'\n",
    "api/package.json": manifest("api", needs=("hono", "@x/shared"), scripts=BUILD, main="dist/index.js"),
    "api/src/index.ts": "x",
    "libs/shared/package.json": manifest(
        "@x/shared", needs=("zod",), scripts=BUILD, main="dist/index.js", exports={".": {"default": "./dist/index.js"}}
    ),
    "libs/shared/src/index.ts": "y",
    "libs/other/package.json": manifest("@x/other"),
}
MANIFESTS = "COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./\nCOPY api/package.json api/\n"
SHARED = "COPY libs/shared/package.json libs/shared/\n"
HEAD = "FROM node:24\nWORKDIR /app\n"

TABLE = [
    pytest.param(
        HEAD + MANIFESTS + SHARED + "RUN pnpm install --frozen-lockfile\nCOPY . .\nRUN pnpm --filter api... build\n",
        [],
        id="well-made",
    ),
    pytest.param(HEAD + "COPY . .\nRUN pnpm install --frozen-lockfile && pnpm -r build\n", [], id="copy-all"),
    pytest.param(
        HEAD + "COPY package.json pnpm-lock.yaml ./\nCOPY api/package.json api/\nRUN pnpm install --frozen-lockfile\n",
        [("tech-workspace-file-missing", 5)],
        id="workspace-file-missing",
    ),
    pytest.param(
        HEAD + "COPY pnpm-lock.yaml ./\nRUN pnpm fetch\n", [("tech-workspace-file-missing", 4)], id="missing-at-fetch"
    ),
    pytest.param(
        HEAD + "COPY package.json pnpm-lock.yaml ./\nRUN --mount=type=bind,source=pnpm-workspace.yaml,"
        "target=pnpm-workspace.yaml pnpm install --frozen-lockfile\n",
        [],
        id="workspace-file-mounted",
    ),
    pytest.param(
        HEAD + "COPY package.json pnpm-lock.yaml ./\nRUN echo 'packages: [api]' > pnpm-workspace.yaml"
        " && pnpm install --frozen-lockfile\n",
        [],
        id="workspace-file-written-by-the-run",
    ),
    pytest.param(
        HEAD + "COPY package.json pnpm-lock.yaml ./\nRUN ./tools/setup\nRUN pnpm install --frozen-lockfile\n",
        [],
        id="an-unknown-program-may-have-made-it",
    ),
    pytest.param(
        HEAD + "COPY package.json pnpm-lock.yaml ./\nRUN pnpm install --frozen-lockfile --ignore-workspace\n",
        [],
        id="ignored-on-purpose",
    ),
    pytest.param(
        "FROM node:24\nWORKDIR /app\nCOPY . .\nRUN npx turbo prune api --docker\nFROM node:24\nWORKDIR /app\n"
        "COPY --from=0 /app/out/json/ .\nRUN pnpm install --frozen-lockfile\n",
        [],
        id="turbo-prune-may-make-anything",
    ),
    pytest.param(
        HEAD + MANIFESTS + "RUN pnpm install --frozen-lockfile\n",
        [("tech-member-manifest-missing", 5)],
        id="member-missing",
    ),
    pytest.param(
        HEAD + "COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./\nRUN pnpm install --frozen-lockfile\nCOPY . .\n"
        "RUN pnpm --filter api... build\n",
        [("tech-member-manifest-missing", 4)],
        id="all-members-missing-that-are-built-later",
    ),
    pytest.param(
        HEAD
        + MANIFESTS
        + SHARED
        + "RUN pnpm install --frozen-lockfile --prod\nCOPY . .\nRUN pnpm --filter api... build\n",
        [("tech-prod-before-build", 8)],
        id="production-install-before-the-build",
    ),
    pytest.param(
        HEAD + MANIFESTS + SHARED + "ENV NODE_ENV=production\nRUN pnpm install --frozen-lockfile\nCOPY . .\n"
        "RUN pnpm --filter api... build\n",
        [],
        id="node-env-means-nothing-to-pnpm",
    ),
    pytest.param(
        HEAD + MANIFESTS + SHARED + "RUN pnpm install --frozen-lockfile\nCOPY . .\nRUN pnpm --filter api build\n",
        [("tech-filter-without-dependencies", 8)],
        id="filter-without-dependencies",
    ),
    pytest.param(
        HEAD + MANIFESTS + SHARED + "RUN pnpm install --frozen-lockfile\nCOPY . .\n"
        "RUN pnpm --filter 'api^...' build && pnpm --filter api build\n",
        [],
        id="dependencies-built-before",
    ),
    pytest.param(
        HEAD + MANIFESTS + SHARED + "RUN pnpm install --frozen-lockfile\nCOPY . .\n"
        "RUN pnpm --filter @x/shared build\nRUN pnpm --filter api build\n",
        [],
        id="the-one-dependency-built-before",
    ),
    pytest.param(
        "FROM node:24 AS deps\nWORKDIR /app\n" + MANIFESTS + SHARED + "RUN pnpm install --frozen-lockfile\n"
        "FROM node:24\nWORKDIR /app\nCOPY --from=deps /app/node_modules ./node_modules\n"
        "COPY --from=deps /app/api/node_modules ./api/node_modules\nCOPY . .\nRUN pnpm --filter api... build\n",
        [("tech-node-modules-not-copied", 10)],
        id="a-members-modules-left-behind",
    ),
    pytest.param(
        "FROM node:24 AS deps\nWORKDIR /app\nCOPY . .\nRUN pnpm install --frozen-lockfile\nRUN pnpm -r build\n"
        "FROM node:24\nWORKDIR /app\nCOPY --from=deps /app/node_modules ./node_modules\n"
        "COPY --from=deps /app/api/node_modules ./api/node_modules\nCOPY --from=deps /app/api/dist ./api/dist\n",
        [("tech-node-modules-not-copied", 9)],
        id="links-that-lead-nowhere",
    ),
    pytest.param(
        "FROM node:24 AS deps\nWORKDIR /app\nCOPY . .\nRUN pnpm install --frozen-lockfile\nRUN pnpm -r build\n"
        "FROM node:24\nWORKDIR /app\nCOPY --from=deps /app ./\n",
        [],
        id="everything-copied",
    ),
    pytest.param(
        "FROM node:24 AS deps\nWORKDIR /app\nCOPY package.json ./\nFROM node:24\nCOPY --from=deps /app/dist /dist\n",
        [("tech-copy-from-missing", 5)],
        id="path-no-instruction-makes",
    ),
    pytest.param(
        "FROM node:24 AS deps\nWORKDIR /app\nCOPY . .\nRUN make\nFROM node:24\nCOPY --from=deps /app/dist /dist\n",
        [],
        id="path-that-make-may-have-made",
    ),
    pytest.param(
        "FROM node:24 AS deps\nWORKDIR /app\nFROM node:24\nCOPY --from=deps /app /app\nCOPY --from=deps /etc/ssl /ssl\n",
        [],
        id="workdir-and-system-folders-are-there",
    ),
    pytest.param("FROM node:26-slim\nRUN corepack enable\n", [("tech-corepack-missing", 2)], id="corepack-in-node-26"),
    pytest.param("FROM node:24-slim\nRUN corepack enable\n", [], id="corepack-in-node-24"),
    pytest.param("FROM node:26\nRUN npm i -g corepack && corepack enable\n", [], id="corepack-installed"),
    pytest.param("FROM corp/node:26\nRUN corepack enable\n", [], id="another-image-of-that-name"),
    pytest.param(
        HEAD + "COPY package.json pnpm-workspace.yaml ./\nRUN pnpm install\n",
        [("tech-lockfile-not-frozen", 4)],
        id="lockfile-not-copied",
    ),
    pytest.param(HEAD + "COPY . .\nRUN pnpm install\n", [("tech-lockfile-not-frozen", 4)], id="lockfile-not-frozen"),
    pytest.param(HEAD + "ENV CI=true\nCOPY . .\nRUN pnpm install\n", [], id="frozen-since-ci-is-set"),
]


@pytest.mark.parametrize(("dockerfile", "expected"), TABLE)
def test_monorepo(tmp_path: Path, dockerfile: str, expected: list[tuple[str, int]]) -> None:
    found = list(detect(*make_project(tmp_path, dockerfile, FILES), None, {}))
    assert [(f.rule_id, f.location.line) for f in found] == expected


NPM = {
    "package.json": json.dumps({"name": "r", "scripts": BUILD, "devDependencies": {"typescript": "5"}}),
    "package-lock.json": "{}",
    "src/a.ts": "x",
}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("RUN npm ci --omit=dev\nRUN npm run build", ["tech-prod-before-build"], id="omit-dev"),
        pytest.param("ENV NODE_ENV=production\nRUN npm ci\nRUN npm run build", ["tech-prod-before-build"], id="by-env"),
        pytest.param("ENV NODE_ENV=production\nRUN npm ci --include=dev\nRUN npm run build", [], id="included-again"),
        pytest.param("RUN npm ci\nRUN npm run build\nRUN npm prune --omit=dev", [], id="pruned-afterwards"),
        pytest.param("RUN npm i -g typescript\nRUN npm ci --omit=dev\nRUN npm run build", [], id="global-compiler"),
        pytest.param('RUN npm ci --omit=dev\nCMD ["npm","start"]', [], id="nothing-is-built"),
        pytest.param("RUN npm install", ["tech-lockfile-not-frozen"], id="npm-install"),
        pytest.param("RUN npm run missing", [], id="unknown-script"),
    ],
)
def test_single_package(tmp_path: Path, steps: str, expected: list[str]) -> None:
    project = make_project(tmp_path, f"FROM node:24\nWORKDIR /app\nCOPY . .\n{steps}\n", NPM)
    assert [f.rule_id for f in detect(*project, None, {})] == expected


def test_hidden_workspace_file(tmp_path: Path) -> None:
    files = {**FILES, ".dockerignore": "pnpm-workspace.yaml\n"}
    (found, *_) = detect(
        *make_project(tmp_path, HEAD + "COPY . .\nRUN pnpm install --frozen-lockfile\n", files), None, {}
    )
    assert found.rule_id == "tech-workspace-file-missing"
    assert "the ignore file keeps it out" in found.message
    assert "!pnpm-workspace.yaml" in found.fix.text


def test_workspace_file_with_settings_alone_is_less_severe(tmp_path: Path) -> None:
    files = {**FILES, "pnpm-workspace.yaml": "onlyBuiltDependencies: [esbuild]\n"}
    dockerfile = HEAD + "COPY package.json pnpm-lock.yaml ./\nRUN pnpm install --frozen-lockfile\n"
    (found,) = detect(*make_project(tmp_path, dockerfile, files), None, {})
    assert found.severity is Severity.MEDIUM


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("packages: {a: 1}", id="mapping"),
        pytest.param("packages: [1, null, [2]]", id="wrong-types"),
        pytest.param("a: &a [*a]", id="recursive-alias"),
        pytest.param("[" * 20_000, id="deep"),
        pytest.param("!!python/object/apply:os.system [x]", id="tag"),
        pytest.param("packages: ['**/**/**/**/**/**/a', '[', '{a,b}', '../..']", id="globs"),
        pytest.param("\x00\x01", id="binary"),
    ],
)
def test_hostile_workspace_files(tmp_path: Path, text: str) -> None:
    files = {**FILES, "pnpm-workspace.yaml": text}
    assert isinstance(list(detect(*make_project(tmp_path, HEAD + "COPY . .\nRUN pnpm i\n", files), None, {})), list)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"name": 3, "dependencies": [], "scripts": {"build": 1}}', id="wrong-types"),
        pytest.param('{"exports": ' + '{"a": ' * 500 + "1" + "}" * 501, id="nested-exports"),
        pytest.param('{"name": "api", "dependencies": {"api": "workspace:*"}}', id="depends-on-itself"),
        pytest.param("9" * 5_000, id="long-number"),
    ],
)
def test_hostile_manifests(tmp_path: Path, text: str) -> None:
    files = {**FILES, "api/package.json": text}
    dockerfile = HEAD + "COPY . .\nRUN pnpm install --frozen-lockfile\nRUN pnpm --filter api build\n"
    assert isinstance(list(detect(*make_project(tmp_path, dockerfile, files), None, {})), list)


def sample(name: str) -> list[Finding]:
    return list(detect(*read_project(SAMPLES / name, "backend/Dockerfile"), None, {}))


def test_sample_as_planned_is_explained() -> None:
    found = sample("antone-as-planned")
    first = found[0]
    assert first.rule_id == "tech-workspace-file-missing"
    assert "pnpm-workspace.yaml never reaches the install stage" in first.message
    assert first.location.line == 15
    assert all(f.risk_id == "TECH-001" for f in found)
    assert {f.rule_id for f in found if f.evidence is not Evidence.DERIVED} == {"tech-host-files-over-build"}
    (missing,) = [f for f in found if f.rule_id == "tech-copy-from-missing"]
    assert [place.line for place in missing.places] == [21, 34]
    assert "/app/backend/node_modules" in missing.message
    assert {f.rule_id for f in found} >= {
        "tech-prod-before-build",
        "tech-filter-without-dependencies",
        "tech-node-modules-not-copied",
    }


def test_sample_antone_has_nothing() -> None:
    assert sample("antone") == []
