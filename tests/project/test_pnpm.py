"""What breaks a monorepo's install and deploy: drifted lockfiles, versions, modes, host files, settings left behind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from projects import make_project, read_project

from imgscan.model import Evidence, Finding, Severity
from imgscan.project.workspace import detect

HEAD = "FROM node:24\nWORKDIR /app\n"
COPIES = "COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./\nCOPY api/package.json api/\n"
INSTALL = "RUN pnpm install --frozen-lockfile\n"
WORKSPACE = "packages:\n  - api\n"
LOCK = """\
lockfileVersion: '9.0'
settings:
  autoInstallPeers: true
importers:
  .:
    devDependencies:
      typescript:
        specifier: 5.9.3
        version: 5.9.3
  api:
    dependencies:
      hono:
        specifier: ^4.10.0
        version: 4.10.1
      react:
        specifier: '*'
        version: 19.0.0
packages:
  hono@4.10.1:
    resolution: {integrity: x}
"""


ITSELF = """\
---
lockfileVersion: '9.0'
importers:
  .:
    configDependencies: {}
    packageManagerDependencies:
      pnpm:
        specifier: 11.20.0
        version: 11.20.0
packages:
  pnpm@11.20.0:
    resolution: {integrity: x}
---
"""
"""What pnpm 11 writes above the lockfile proper."""


def package(name: str = "api", **more: Any) -> str:
    fields = {"dependencies": {"hono": "^4.10.0"}, "peerDependencies": {"react": "*"}} if name == "api" else {}
    return json.dumps({"name": name, **fields, **more})


ROOT = package("root", devDependencies={"typescript": "5.9.3"})
FILES = {
    ".dockerignore": "**/node_modules\n",
    "package.json": ROOT,
    "pnpm-workspace.yaml": WORKSPACE,
    "pnpm-lock.yaml": LOCK,
    "api/package.json": package(),
    "api/src/index.ts": "x",
}


def found(tmp_path: Path, dockerfile: str, changes: dict[str, str | None] | None = None) -> list[Finding]:
    files = {path: text for path, text in {**FILES, **(changes or {})}.items() if text is not None}
    project = make_project(tmp_path, dockerfile, files)
    return list(detect(project.dockerfile, project.context))


def ids(findings: list[Finding]) -> list[tuple[str, Severity]]:
    return sorted((finding.rule_id, finding.severity) for finding in findings)


DRIFT = ("tech-lockfile-drift", Severity.HIGH)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param({}, [], id="in-step"),
        pytest.param({"api/package.json": package(dependencies={"hono": "^4.11.0"})}, [DRIFT], id="range-changed"),
        pytest.param(
            {"api/package.json": package(dependencies={"hono": "^4.10.0", "zod": "3"})}, [DRIFT], id="one-more"
        ),
        pytest.param({"api/package.json": package(dependencies={})}, [DRIFT], id="one-less"),
        pytest.param({"package.json": package("root")}, [DRIFT], id="root-counts-too"),
        pytest.param(
            {
                "api/package.json": package(dependencies={"hono": "^4.11.0"}),
                "pnpm-workspace.yaml": WORKSPACE + "overrides:\n  'api>hono@4': 4.10.1\n",
            },
            [],
            id="overridden",
        ),
        pytest.param(
            {"api/package.json": package(dependencies={"hono": "^4.11.0"}), ".pnpmfile.cjs": "module.exports = {}"},
            [("tech-install-settings-missing", Severity.MEDIUM)],
            id="a-hook-may-rewrite-manifests",
        ),
        pytest.param({"pnpm-lock.yaml": LOCK.split("  api:")[0] + "packages:\n"}, [DRIFT], id="a-member-is-not-in-it"),
        pytest.param(
            {"pnpm-workspace.yaml": WORKSPACE + "injectWorkspacePackages: true\n"}, [DRIFT], id="made-without-a-setting"
        ),
        pytest.param({"pnpm-lock.yaml": "importers: [" * 2000}, [], id="broken-yaml"),
        pytest.param({"pnpm-lock.yaml": ITSELF + LOCK}, [], id="two-documents"),
        pytest.param({"pnpm-lock.yaml": ITSELF + LOCK.split("  api:")[0]}, [DRIFT], id="two-documents-and-a-drift"),
        pytest.param(
            {
                "pnpm-lock.yaml": LOCK.split("  api:")[0] + "packages:\n",
                "pnpm-workspace.yaml": WORKSPACE + "sharedWorkspaceLockfile: false\n",
            },
            [],
            id="a-lockfile-each",
        ),
        pytest.param({"pnpm-lock.yaml": "importers: {api: 3, .: [x]}\n"}, [DRIFT], id="of-wrong-types"),
        pytest.param(
            {
                "pnpm-lock.yaml": "importers:\n  .:\n    specifiers: {typescript: 5.9.3}\n"
                "  api:\n    specifiers: {hono: ^4.10.0}\n"
            },
            [],
            id="the-old-format",
        ),
    ],
)
def test_pnpm_lockfile(tmp_path: Path, changes: dict[str, str | None], wanted: list[tuple[str, Severity]]) -> None:
    assert ids(found(tmp_path, HEAD + COPIES + INSTALL, changes)) == wanted


def test_what_drifted_is_named(tmp_path: Path) -> None:
    changes: dict[str, str | None] = {"api/package.json": package(dependencies={"hono": "^4.11.0"})}
    (finding,) = found(tmp_path, HEAD + COPIES + INSTALL, changes)
    assert "api/package.json asks for hono ^4.11.0, recorded is ^4.10.0" in finding.message
    assert "ERR_PNPM_OUTDATED_LOCKFILE" in finding.message
    assert finding.evidence is Evidence.DERIVED


def test_an_install_that_may_resolve_again_is_not_as_bad(tmp_path: Path) -> None:
    changes: dict[str, str | None] = {"api/package.json": package(dependencies={"hono": "^4.11.0"})}
    severities = dict(ids(found(tmp_path, HEAD + COPIES + "RUN pnpm install\n", changes)))
    assert severities["tech-lockfile-drift"] is Severity.MEDIUM


NPM_LOCK = {"lockfileVersion": 3, "packages": {"": {"name": "x"}, "node_modules/hono": {"version": "4.10.1"}}}


@pytest.mark.parametrize(
    ("lock", "command", "count"),
    [
        pytest.param(json.dumps(NPM_LOCK), "npm ci", 0, id="in-step"),
        pytest.param(json.dumps({**NPM_LOCK, "packages": {"": {}}}), "npm ci", 1, id="missing"),
        pytest.param(json.dumps({**NPM_LOCK, "packages": {"": {}}}), "npm install", 0, id="not-frozen"),
        pytest.param('{"lockfileVersion": 3}', "npm ci", 0, id="says-nothing"),
        pytest.param("[" * 100_000, "npm ci", 0, id="deep"),
    ],
)
def test_npm_lockfile(tmp_path: Path, lock: str, command: str, count: int) -> None:
    files: dict[str, str | None] = {
        **dict.fromkeys(FILES),
        "package.json": package("x", dependencies={"hono": "^4"}),
        "package-lock.json": lock,
    }
    findings = found(tmp_path, HEAD + f"COPY package.json package-lock.json ./\nRUN {command}\n", files)
    assert len([f for f in findings if f.rule_id == "tech-lockfile-drift"]) == count


DECLARED: dict[str, str | None] = {
    "package.json": package("root", devDependencies={"typescript": "5.9.3"}, packageManager="pnpm@10.34.9+sha512.ab")
}
DIFFERS = ("tech-manager-version-differs", Severity.MEDIUM)


@pytest.mark.parametrize(
    ("run", "changes", "wanted"),
    [
        pytest.param("npm install --global pnpm@10.34.9", DECLARED, [], id="the-declared-one"),
        pytest.param("npm i -g pnpm@10.0.0", DECLARED, [DIFFERS], id="another-one"),
        pytest.param("corepack prepare pnpm@10.0.0 --activate", DECLARED, [DIFFERS], id="another-one-by-corepack"),
        pytest.param("npm i -g pnpm", {}, [("tech-manager-unpinned", Severity.MEDIUM)], id="none"),
        pytest.param("npm i -g pnpm@latest-10", {}, [("tech-manager-unpinned", Severity.MEDIUM)], id="a-tag"),
        pytest.param("npm i -g pnpm@10", DECLARED, [("tech-manager-unpinned", Severity.LOW)], id="switches-anyway"),
        pytest.param("corepack enable", DECLARED, [], id="corepack-reads-it"),
        pytest.param("npm i -g typescript", {}, [], id="no-manager"),
        pytest.param("npm i -g pnpm@$WHICH", {}, [], id="not-known"),
    ],
)
def test_versions_of_the_manager(
    tmp_path: Path, run: str, changes: dict[str, str | None], wanted: list[tuple[str, Severity]]
) -> None:
    assert ids(found(tmp_path, HEAD + f"RUN {run}\n" + COPIES + INSTALL, changes)) == wanted


def test_a_version_in_an_argument_is_known(tmp_path: Path) -> None:
    text = "FROM node:24\nARG PNPM=10.0.0\nWORKDIR /app\nRUN npm i -g pnpm@${PNPM}\n" + COPIES + INSTALL
    assert ids(found(tmp_path, text, DECLARED)) == [DIFFERS]


@pytest.mark.parametrize(
    ("image", "version", "count"),
    [
        pytest.param("node:20-slim", "11.28.11", 1, id="too-old"),
        pytest.param("node:22.12.0-alpine", "11.28.11", 1, id="by-its-minor"),
        pytest.param("node:22", "11.28.11", 0, id="the-newest-22"),
        pytest.param("node:20", "10.34.9", 0, id="new-enough"),
        pytest.param("node:18", "12.21.0", 0, id="a-program-of-its-own"),
        pytest.param("registry.example/node:16", "11.28.11", 0, id="somebody-elses-image"),
        pytest.param("node:lts", "11.28.11", 0, id="no-number"),
    ],
)
def test_node_for_the_manager(tmp_path: Path, image: str, version: str, count: int) -> None:
    text = f"FROM {image}\nWORKDIR /app\nRUN npm i -g pnpm@{version}\n" + COPIES + INSTALL
    findings = [f for f in found(tmp_path, text) if f.rule_id == "tech-manager-needs-newer-node"]
    assert len(findings) == count


INJECTED = WORKSPACE + "injectWorkspacePackages: true\n"
INJECTED_LOCK = LOCK.replace("settings:\n", "settings:\n  injectWorkspacePackages: true\n")
MODE = [("tech-pnpm-deploy-mode", Severity.HIGH)]


@pytest.mark.parametrize(
    ("version", "flags", "changes", "wanted"),
    [
        pytest.param("10.34.9", "--prod", {}, MODE, id="10-plain"),
        pytest.param("10.34.9", "--prod --legacy", {}, [], id="10-legacy"),
        pytest.param("10.34.9", "--prod --legacy --offline", {}, MODE, id="10-legacy-offline"),
        pytest.param(
            "10.34.9",
            "--prod --offline",
            {"pnpm-workspace.yaml": INJECTED, "pnpm-lock.yaml": INJECTED_LOCK},
            [],
            id="10-injected",
        ),
        pytest.param("10.34.9", "--prod", {".npmrc": "force-legacy-deploy=true\n"}, [], id="10-legacy-by-npmrc"),
        pytest.param("11.28.11", "--prod", {}, [], id="11"),
        pytest.param("11.20.0", "--prod", {}, [("tech-pnpm-deploy-mode", Severity.MEDIUM)], id="11-that-links-back"),
        pytest.param("12.21.0", "--prod", {}, [], id="12"),
        pytest.param("9.15.0", "--prod", {}, [], id="9"),
    ],
)
def test_deploy(
    tmp_path: Path, version: str, flags: str, changes: dict[str, str | None], wanted: list[tuple[str, Severity]]
) -> None:
    declared = package("root", devDependencies={"typescript": "5.9.3"}, packageManager=f"pnpm@{version}")
    text = (
        HEAD + COPIES + "COPY .npmr[c] ./\n" + INSTALL + f"COPY api api\nRUN pnpm --filter api deploy {flags} /prod\n"
    )
    assert ids(found(tmp_path, text, {**changes, "package.json": declared})) == wanted


def test_a_setting_that_a_step_makes_is_not_judged(tmp_path: Path) -> None:
    declared = package("root", devDependencies={"typescript": "5.9.3"}, packageManager="pnpm@10.34.9")
    text = HEAD + "RUN pnpm config set force-legacy-deploy true\n" + COPIES + INSTALL
    assert ids(found(tmp_path, text + "RUN pnpm --filter api deploy --prod /prod\n", {"package.json": declared})) == []


def test_build_scripts_need_approval_from_pnpm_11_on(tmp_path: Path) -> None:
    lock = (
        LOCK
        + "  esbuild@0.25.0:\n    resolution: {integrity: y}\n  '@swc/core@1.3.0':\n    resolution: {integrity: z}\n"
    )

    def told(version: str, approved: str) -> list[str]:
        declared = package("root", devDependencies={"typescript": "5.9.3"}, packageManager=f"pnpm@{version}")
        files: dict[str, str | None] = {
            "package.json": declared,
            "pnpm-lock.yaml": lock,
            "pnpm-workspace.yaml": WORKSPACE + approved,
        }
        return [f.message for f in found(tmp_path / version / str(len(approved)), HEAD + COPIES + INSTALL, files)]

    assert told("10.34.9", "") == []
    assert told("11.28.11", "onlyBuiltDependencies: [esbuild, '@swc/core']\n") == []
    assert told("11.28.11", "allowBuilds:\n  esbuild: true\n  '@swc/core': false\n") == []
    assert told("11.28.11", "dangerouslyAllowAllBuilds: true\n") == []
    (message,) = told("11.28.11", "onlyBuiltDependencies: [esbuild]\n")
    assert message.startswith("@swc/core has build scripts that nothing approves")


PATCHED: dict[str, str | None] = {
    "pnpm-workspace.yaml": WORKSPACE + "patchedDependencies:\n  hono@4.10.1: patches/hono.patch\n",
    "patches/hono.patch": "x",
}


@pytest.mark.parametrize(
    ("copies", "changes", "wanted"),
    [
        pytest.param("", PATCHED, [("tech-install-settings-missing", Severity.HIGH)], id="patch-missing"),
        pytest.param("COPY patches patches\n", PATCHED, [], id="patch-there"),
        pytest.param(
            "", {**PATCHED, "patches/hono.patch": None}, [], id="a-patch-that-is-nowhere-is-not-the-Dockerfiles-fault"
        ),
        pytest.param(
            "",
            {".npmrc": "node-linker=hoisted\n"},
            [("tech-install-settings-missing", Severity.MEDIUM)],
            id="npmrc-shapes-the-tree",
        ),
        pytest.param("", {".npmrc": "save-exact=true\n"}, [], id="npmrc-that-does-not"),
        pytest.param("COPY .npmrc ./\n", {".npmrc": "node-linker=hoisted\n"}, [], id="npmrc-there"),
    ],
)
def test_files_that_the_install_reads(
    tmp_path: Path, copies: str, changes: dict[str, str | None], wanted: list[tuple[str, Severity]]
) -> None:
    assert ids(found(tmp_path, HEAD + COPIES + copies + INSTALL, changes)) == wanted


HOST = "tech-host-files-over-build"


@pytest.mark.parametrize(
    ("ignore", "copy", "changes", "evidence"),
    [
        pytest.param("node_modules\n", "COPY . .", {}, Evidence.PATTERN, id="root-anchored"),
        pytest.param("**/node_modules\n", "COPY . .", {}, None, id="at-every-depth"),
        pytest.param("node_modules\n", "COPY api/src api/src", {}, None, id="only-sources"),
        pytest.param("node_modules\n", "COPY --exclude=api/node_modules . .", {}, None, id="left-out-by-the-copy"),
        pytest.param(None, "COPY . .", {}, None, id="no-ignore-file-is-said-elsewhere"),
        pytest.param(
            "node_modules\n", "COPY . .", {"api/node_modules/hono/index.js": "x"}, Evidence.DERIVED, id="there-now"
        ),
        pytest.param(None, "COPY . .", {"api/node_modules/hono/index.js": "x"}, Evidence.DERIVED, id="there-unignored"),
    ],
)
def test_host_files_over_what_was_installed(
    tmp_path: Path, ignore: str | None, copy: str, changes: dict[str, str | None], evidence: Evidence | None
) -> None:
    text = HEAD + COPIES + INSTALL + copy + "\n"
    findings = [f for f in found(tmp_path, text, {".dockerignore": ignore, **changes}) if f.rule_id == HOST]
    assert [f.evidence for f in findings] == ([evidence] if evidence else [])


@pytest.mark.parametrize(
    ("install", "count"),
    [pytest.param("pnpm install", 1, id="pnpm-asks"), pytest.param("npm install", 0, id="npm-removes")],
)
def test_host_files_before_the_install(tmp_path: Path, install: str, count: int) -> None:
    text = HEAD + f"COPY . .\nRUN {install}\n"
    findings = [f for f in found(tmp_path, text, {".dockerignore": "node_modules\n"}) if f.rule_id == HOST]
    assert ["brings what the host installed before line 4" in f.message for f in findings] == [True] * count


@pytest.mark.parametrize("ignore", ["node_modules\ndist\n", "node_modules\r\ndist\r\n", "node_modules", None])
def test_the_patch_of_the_ignore_file_mends_it(tmp_path: Path, ignore: str | None) -> None:
    text = HEAD + COPIES + INSTALL + "COPY . .\n"
    changes: dict[str, str | None] = {
        ".dockerignore": None,
        "api/package.json": package(main="dist/index.js"),
        "api/tsconfig.json": "{}",
        "api/node_modules/hono/index.js": "x",
    }
    if ignore is not None:
        (tmp_path / ".dockerignore").write_bytes(ignore.encode())
    (finding,) = [f for f in found(tmp_path, text, changes) if f.rule_id == HOST]
    assert finding.fix.patch is not None
    done = subprocess.run(["git", "apply"], input=finding.fix.patch.encode(), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / ".dockerignore").read_text().split()
    assert {"**/node_modules", "**/dist", "**/*.tsbuildinfo"} <= set(lines)
    again = read_project(tmp_path)
    assert [f for f in detect(again.dockerfile, again.context) if f.rule_id == HOST] == []


LINKED: dict[str, str | None] = {
    "pnpm-workspace.yaml": "packages:\n  - api\n  - shared\n",
    "pnpm-lock.yaml": None,
    "api/package.json": package(
        dependencies={"@x/shared": "workspace:*"}, scripts={"build": "tsc"}, main="dist/index.js"
    ),
    "shared/package.json": package(
        "@x/shared", scripts={"build": "tsc"}, main="dist/index.js", dependencies={"zod": "3"}
    ),
    "shared/index.ts": "x",
}
ALL = "COPY package.json pnpm-workspace.yaml ./\nCOPY api/package.json api/\nCOPY shared/package.json shared/\n"
PLAIN = "RUN pnpm install\n"


@pytest.mark.parametrize(
    ("dockerfile", "changes", "rule_id"),
    [
        pytest.param(
            HEAD + "COPY package.json \\\n  pnpm-lock.yaml ./\nCOPY api/package.json api/\n" + INSTALL,
            {},
            "tech-workspace-file-missing",
            id="workspace-file",
        ),
        pytest.param(
            HEAD + ALL.replace("COPY shared/package.json shared/\n", "") + PLAIN,
            LINKED,
            "tech-member-manifest-missing",
            id="manifest",
        ),
        pytest.param(
            HEAD + ALL + PLAIN + "COPY api api\nCOPY shared shared\nRUN pnpm --filter=api build\n",
            LINKED,
            "tech-filter-without-dependencies",
            id="filter",
        ),
        pytest.param(
            HEAD
            + ALL
            + PLAIN
            + "COPY api api\nCOPY shared shared\nRUN pnpm --filter 'api' build && pnpm -F api lint\n",
            LINKED,
            "tech-filter-without-dependencies",
            id="filter-in-quotes",
        ),
        pytest.param(
            HEAD + "RUN npm i -g pnpm@10.0.0\n" + COPIES + INSTALL,
            DECLARED,
            "tech-manager-version-differs",
            id="version",
        ),
        pytest.param(HEAD + "RUN npm i -g pnpm\n" + COPIES + INSTALL, DECLARED, "tech-manager-unpinned", id="unpinned"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_patches_of_the_dockerfile_mend_it(
    tmp_path: Path, dockerfile: str, changes: dict[str, str | None], rule_id: str, end: str
) -> None:
    found(tmp_path, dockerfile, changes)
    (tmp_path / "Dockerfile").write_bytes(dockerfile.replace("\n", end).encode())
    before = read_project(tmp_path)
    findings = list(detect(before.dockerfile, before.context))
    (finding,) = [f for f in findings if f.rule_id == rule_id]
    assert finding.fix.patch is not None
    done = subprocess.run(["git", "apply"], input=finding.fix.patch.encode(), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    again = read_project(tmp_path)
    left = list(detect(again.dockerfile, again.context))
    assert rule_id not in {f.rule_id for f in left}
    known = {f.rule_id for f in findings}
    assert {f.rule_id for f in left if f.severity.rank >= Severity.MEDIUM.rank} <= known


def test_no_patch_where_a_name_is_a_call_too(tmp_path: Path) -> None:
    findings = found(tmp_path, HEAD + "RUN npm i -g pnpm && pnpm --version\n" + COPIES + INSTALL, DECLARED)
    assert [f.fix.patch for f in findings if f.rule_id == "tech-manager-unpinned"] == [None]
