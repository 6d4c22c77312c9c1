"""Tables of Dockerfiles: what the cache rules say of each, and the well-ordered ones they must be silent on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from projects import Project, make_project, read_project

from imgscan.detect.cachebust import detect
from imgscan.model import Evidence, Finding, Severity, Step, Timing

NODE = {
    "package.json": "{}",
    "package-lock.json": "{}",
    "src/index.js": "x",
    "src/api/routes.js": "y",
    ".dockerignore": "Dockerfile\n.dockerignore\n",
}
PYTHON = {
    "requirements.txt": "flask\n",
    "pyproject.toml": "[project]\nname='x'\n",
    "app/main.py": "x",
    "uv.lock": "",
    "poetry.lock": "",
    ".dockerignore": "Dockerfile\n.dockerignore\n",
}
GO = {"go.mod": "module x\n", "go.sum": "a v1 h1:x=\n", "main.go": "package main", ".dockerignore": "Dockerfile\n.d*\n"}


def findings(
    project: Project,
    rule: str = "cache-",
    *,
    builder: str = "buildkit",
    build_args: dict[str, str] | None = None,
    timings: tuple[Timing, ...] = (),
    store: str | None = None,
    target: str | None = None,
) -> list[Finding]:
    found = detect(
        project.dockerfile,
        project.context,
        target=target,
        build_args=build_args or {},
        builder=builder,
        timings=timings,
        store=store,
    )
    return [finding for finding in found if finding.rule_id.startswith(rule)]


def lines(found: list[Finding]) -> list[int | None]:
    return [finding.location.line for finding in found]


ORDER = [
    pytest.param(NODE, "FROM node:24\nCOPY . .\nRUN npm ci\n", [2], id="copy-all-then-npm-ci"),
    pytest.param(NODE, "FROM node:24\nADD . /app\nWORKDIR /app\nRUN npm install\n", [2], id="add-counts-as-well"),
    pytest.param(NODE, "FROM node:24\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\n", [], id="manifests-first"),
    pytest.param(NODE, "FROM node:24\nCOPY package*.json src ./\nRUN npm ci\n", [2], id="sources-with-the-manifests"),
    pytest.param(NODE, "FROM node:24\nCOPY src src\nCOPY package*.json ./\nRUN npm ci\n", [2], id="folder-of-sources"),
    pytest.param(NODE, "FROM node:24\nCOPY src/index.js ./\nRUN npm i\n", [2], id="one-source-file"),
    pytest.param(NODE, "FROM node:24 AS b\nCOPY . .\nFROM b\nRUN npm ci\n", [2], id="through-the-from-chain"),
    pytest.param(
        NODE,
        "FROM node:24 AS a\nWORKDIR /a\nCOPY . .\nFROM node:24\nCOPY --from=a /a ./\nRUN npm ci\n",
        [5],
        id="through-copy-from",
    ),
    pytest.param(
        NODE,
        "FROM node:24 AS a\nWORKDIR /a\nCOPY . .\nRUN x\nFROM node:24\nCOPY --from=a /a/package.json ./\nRUN npm ci\n",
        [],
        id="copy-from-brings-the-manifest-only",
    ),
    pytest.param(NODE, "FROM node:24 AS a\nCOPY . .\nRUN npm ci\nFROM node:24\nRUN x\n", [], id="stage-not-needed"),
    pytest.param(NODE, "FROM node:24\nCOPY . .\nRUN node src/index.js\n", [], id="no-install-at-all"),
    pytest.param(
        NODE, "FROM node:24\nCOPY . .\nRUN apt-get update && apt-get install -y curl\n", [2], id="system-packages"
    ),
    pytest.param(
        NODE,
        "FROM node:24\nRUN --mount=type=bind,target=. npm ci\n",
        [2],
        id="whole-context-mounted-for-the-install",
    ),
    pytest.param(
        NODE,
        "FROM node:24\nRUN --mount=type=bind,source=package.json,target=package.json npm ci\n",
        [],
        id="manifest-mounted-for-the-install",
    ),
    pytest.param(
        NODE,
        "FROM node:24\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm prune --omit=dev\n",
        [],
        id="prune-is-no-install",
    ),
    pytest.param(
        {**NODE, "pnpm-lock.yaml": ""},
        "FROM node:24\nCOPY pnpm-lock.yaml ./\nRUN pnpm fetch\nCOPY . .\nRUN pnpm install --offline\n",
        [],
        id="pnpm-fetch-first",
    ),
    pytest.param(
        {**NODE, "certs/ca.crt": "c", "entrypoint.sh": "s"},
        "FROM node:24\nCOPY certs /usr/local/share/ca-certificates\nCOPY entrypoint.sh /\nRUN npm i -g pm2\n",
        [],
        id="certificates-and-scripts-are-no-sources",
    ),
    pytest.param(
        {**NODE, "patches/x.patch": "p", ".yarn/releases/yarn.cjs": "y"},
        "FROM node:24\nCOPY patches patches\nCOPY .yarn .yarn\nCOPY package.json ./\nRUN yarn install --immutable\n",
        [],
        id="what-an-install-reads-is-no-source",
    ),
    pytest.param(PYTHON, "FROM python:3.13\nCOPY . .\nRUN pip install -r requirements.txt\n", [2], id="pip"),
    pytest.param(
        PYTHON,
        "FROM python:3.13\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n",
        [],
        id="pip-good",
    ),
    pytest.param(PYTHON, "FROM python:3.13\nCOPY . .\nRUN poetry install\n", [2], id="poetry"),
    pytest.param(
        PYTHON,
        "FROM python:3.13\nCOPY pyproject.toml uv.lock ./\nRUN uv sync --no-install-project\nCOPY . .\nRUN uv sync\n",
        [],
        id="uv-in-two-steps",
    ),
    pytest.param(GO, "FROM golang:1.25\nCOPY . .\nRUN go build ./...\n", [2], id="go-build-downloads-by-the-way"),
    pytest.param(
        GO, "FROM golang:1.25\nCOPY go.* ./\nRUN go mod download\nCOPY . .\nRUN go build ./...\n", [], id="go-good"
    ),
    pytest.param(
        GO,
        "FROM golang:1.25\nCOPY . .\nRUN --mount=type=cache,target=/go/pkg/mod go build ./...\n",
        [],
        id="go-build-with-a-cache-mount",
    ),
    pytest.param(
        {"go.mod": "module x\n", "main.go": "package main"},
        "FROM golang:1.25\nCOPY . .\nRUN go build ./...\n",
        [],
        id="go-without-dependencies",
    ),
    pytest.param(
        {"package.json": "{}", ".dockerignore": "*\n!package.json\n", "src/a.js": "x"},
        "FROM node:24\nCOPY . .\nRUN npm install\n",
        [],
        id="ignore-file-lets-only-the-manifest-in",
    ),
    pytest.param(
        {"package.json": "{}", "index.html": "x"},
        "FROM node:24\nCOPY *.html ./\nRUN npm i\n",
        [2],
        id="glob-of-sources",
    ),
    pytest.param(
        PYTHON,
        "FROM python:3.13\nRUN pip install uv\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n"
        "RUN pip install uv\n",
        [],
        id="installed-before-by-the-same-words",
    ),
    pytest.param(
        PYTHON,
        "FROM python:3.13\nCOPY --from=corp/tool:1 /bin/tool /bin/\nWORKDIR /a\nCOPY . .\nRUN uv sync\n",
        [4],
        id="beside-a-tool-of-another-image",
    ),
    pytest.param(NODE, "FROM node:24\nRUN <<EOF\nnpm ci\nEOF\nCOPY . .\n", [], id="heredoc-above"),
    pytest.param(NODE, "FROM node:24\nCOPY . .\nRUN <<EOF\nset -e\nnpm ci\nEOF\n", [2], id="heredoc-below"),
]


@pytest.mark.parametrize(("files", "dockerfile", "expected"), ORDER)
def test_sources_before_the_install(
    tmp_path: Path, files: dict[str, str], dockerfile: str, expected: list[int]
) -> None:
    assert lines(findings(make_project(tmp_path, dockerfile, files), "cache-copy-before-install")) == expected


def test_message_names_copy_install_files_and_what_would_do(tmp_path: Path) -> None:
    (found,) = findings(make_project(tmp_path, "FROM node:24\nCOPY . .\nRUN npm ci\n", NODE), "cache-copy")
    for part in ("line 2 (COPY . .)", "line 3 (npm ci)", "4 files"):
        assert part in found.message
    assert "package.json, package-lock.json (and what else the install reads) alone" in found.fix.text
    assert (found.severity, found.evidence, found.risk_id) == (Severity.HIGH, Evidence.DERIVED, "PERF-001")
    assert [place.line for place in found.places] == [2, 3]


def test_one_finding_blames_a_copy_for_every_install_below(tmp_path: Path) -> None:
    dockerfile = "FROM node:24\nCOPY . .\nRUN apt-get install -y x\nRUN npm ci\nCOPY src b\nRUN pip install y\n"
    found = findings(make_project(tmp_path, dockerfile, NODE), "cache-copy-before-install")
    assert lines(found) == [2, 5]
    assert "line 4 (npm ci)" in found[0].message


def test_credentials_of_an_install_are_never_shown(tmp_path: Path) -> None:
    secret = "s3cr" + "et" * 4
    dockerfile = f"FROM node:24\nARG GIT_SHA\nCOPY . .\nRUN T={secret} npm ci --//x/:_authToken={secret} --k {secret}\n"
    found = findings(make_project(tmp_path, dockerfile, NODE))
    assert {"cache-copy-before-install", "cache-volatile-arg", "cache-no-mount"} <= {f.rule_id for f in found}
    assert secret not in repr(found)


def step(line: int, seconds: float, *, cached: bool = False) -> Step:
    return Step(stage="0", ordinal=2, instruction="RUN npm ci", line=line, cached=cached, seconds=seconds)


def timing(*steps: Step) -> Timing:
    return Timing(
        name="touch-source",
        touched="src/index.js",
        seconds=(1.0,),
        median_s=1.0,
        spread_s=0.0,
        steps_total=2,
        steps_cached=0,
        steps=steps,
    )


@pytest.mark.parametrize(
    ("timings", "evidence", "text"),
    [
        pytest.param(
            (timing(step(3, 12.34)),), Evidence.PROVEN, "12.3 s lost with every edit of src/index.js", id="ran"
        ),
        pytest.param((timing(step(3, 9.0, cached=True)),), Evidence.DERIVED, "installs again", id="was-cached"),
        pytest.param((timing(step(9, 9.0)),), Evidence.DERIVED, "installs again", id="another-step"),
        pytest.param((), Evidence.DERIVED, "installs again", id="not-measured"),
    ],
)
def test_timings_prove_the_cost(tmp_path: Path, timings: tuple[Timing, ...], evidence: Evidence, text: str) -> None:
    project = make_project(tmp_path, "FROM node:24\nCOPY . .\nRUN npm ci\n", NODE)
    (found,) = findings(project, "cache-copy-before-install", timings=timings)
    assert found.evidence is evidence
    assert text in found.message


VOLATILE = [
    pytest.param("FROM node:24\nARG GIT_SHA\nRUN npm ci\n", "buildkit", [2], id="commit-above-the-install"),
    pytest.param("FROM node:24\nRUN npm ci\nARG GIT_SHA\n", "buildkit", [], id="below-the-install"),
    pytest.param("ARG GIT_SHA\nFROM node:24\nRUN npm ci\n", "buildkit", [], id="global-and-not-redeclared"),
    pytest.param("ARG GIT_SHA\nFROM node:24\nARG GIT_SHA\nRUN npm ci\n", "buildkit", [3], id="global-redeclared"),
    pytest.param("FROM node:24 AS a\nARG BUILD_DATE\nFROM a\nRUN npm ci\n", "buildkit", [2], id="child-stage"),
    pytest.param(
        "FROM node:24 AS a\nARG BUILD_DATE\nFROM a\nRUN npm ci\n", "classic", [], id="classic-ends-with-stage"
    ),
    pytest.param(
        "FROM node:24 AS a\nARG X\nENV COMMIT=$X\nFROM a\nRUN npm ci\n", "classic", [3], id="classic-env-stays"
    ),
    pytest.param("FROM node:24\nLABEL revision=$X\nRUN npm ci\n", "buildkit", [], id="label-never-busts-buildkit"),
    pytest.param("FROM node:24\nLABEL revision=$X\nRUN npm ci\n", "classic", [2], id="label-busts-classic"),
    pytest.param(
        "FROM node:24\nARG CI_COMMIT_SHORT_SHA\nENV REL=$CI_COMMIT_SHORT_SHA\nRUN npm ci\n", "buildkit", [2], id="ci"
    ),
    pytest.param("FROM node:24\nARG NODE_VERSION=24\nRUN npm ci\n", "buildkit", [], id="pinned-tool"),
    pytest.param(
        "FROM node:24\nARG VERSION=1.2\nRUN npm i x@$VERSION\n", "buildkit", [], id="version-of-what-is-installed"
    ),
    pytest.param("FROM node:24\nARG VERSION=dev\nRUN npm ci\n", "buildkit", [2], id="version-of-the-build"),
    pytest.param("FROM node:24\nARG VERSION=1.2.3\nRUN npm ci\n", "buildkit", [], id="version-pinned-by-hand"),
    pytest.param("FROM node:24\nARG GIT_SHA\nRUN npm run build\n", "buildkit", [], id="nothing-to-install"),
    pytest.param("FROM node:24 AS a\nARG GIT_SHA\nRUN npm ci\nFROM node:24\nRUN x\n", "buildkit", [], id="not-needed"),
]


@pytest.mark.parametrize(("dockerfile", "builder", "expected"), VOLATILE)
def test_volatile_values_above_the_install(tmp_path: Path, dockerfile: str, builder: str, expected: list[int]) -> None:
    project = make_project(tmp_path, dockerfile, NODE)
    assert lines(findings(project, "cache-volatile-arg", builder=builder)) == expected


def test_a_value_that_is_passed_makes_it_derived(tmp_path: Path) -> None:
    project = make_project(tmp_path, "FROM node:24\nARG GIT_SHA\nENV GIT_SHA=$GIT_SHA\nRUN npm ci\n", NODE)
    (assumed,) = findings(project, "cache-volatile-arg")
    (given,) = findings(project, "cache-volatile-arg", build_args={"GIT_SHA": "abc"})
    assert (assumed.evidence, given.evidence) == (Evidence.PATTERN, Evidence.DERIVED)
    assert assumed.fingerprint == given.fingerprint
    assert [place.line for place in given.places] == [2, 3, 4]


NOISE = [
    pytest.param({"a.js": "x", ".git/HEAD": "ref"}, "COPY . .", Severity.LOW, id="history-is-told-by-another-rule"),
    pytest.param({"a.js": "x", ".idea/a": "ref"}, "COPY . .", Severity.MEDIUM, id="editor"),
    pytest.param({"a.js": "x", "x/debug.log": "l"}, "COPY . .", Severity.MEDIUM, id="nested-log"),
    pytest.param(
        {"a.js": "x", "b/node_modules/x/i.js": "l"}, "COPY b b", Severity.MEDIUM, id="host-modules-in-a-folder"
    ),
    pytest.param({"a.js": "x"}, "COPY . .", Severity.LOW, id="only-the-dockerfile"),
    pytest.param({"a.js": "x", "src/b.js": "y", "README.md": "r"}, "COPY src src", None, id="folder-without-noise"),
    pytest.param({"a.js": "x", ".gitignore": "g", ".dockerignore": "Dockerfile"}, "COPY . .", None, id="hardly-edited"),
    pytest.param({"src/README.md": "r", "src/a.js": "x"}, "COPY src src", None, id="readme-of-a-package"),
    pytest.param(
        {".git/HEAD": "r", ".dockerignore": ".git\nDockerfile\n.dockerignore"}, "COPY . .", None, id="ignored"
    ),
]


@pytest.mark.parametrize(("files", "copy", "severity"), NOISE)
def test_noise_in_what_is_copied(tmp_path: Path, files: dict[str, str], copy: str, severity: Severity | None) -> None:
    found = findings(make_project(tmp_path, f"FROM node:24\n{copy}\n", files), "cache-broad-copy")
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_noise_is_ranked_by_bytes(tmp_path: Path) -> None:
    files: dict[str, str | int] = {"a.js": "x", ".idea/x": 9_000, "build.log": 20_000, "docs/a.txt": 100}
    (found,) = findings(make_project(tmp_path, "FROM node:24\nCOPY . .\nCOPY . /b\n", files), "cache-broad-copy")
    assert found.message.index("*.log") < found.message.index(".idea") < found.message.index("docs")
    assert [place.line for place in found.places] == [2, 3]


def test_noise_that_changes_comes_before_noise_that_is_large(tmp_path: Path) -> None:
    files: dict[str, str | int] = {"a.js": "x", ".idea/x": 9, "docs/a.pdf": 90_000}
    (found,) = findings(make_project(tmp_path, "FROM node:24\nCOPY . .\n", files), "cache-broad-copy")
    assert found.message.index(".idea") < found.message.index("docs")


@pytest.mark.parametrize(
    ("ignore", "start"),
    [
        pytest.param({}, "Create .dockerignore with a line for each of: **/*.log", id="there-is-none"),
        pytest.param(
            {".dockerignore": "x\n"}, "Add to .dockerignore, below any `!` lines: **/*.log", id="there-is-one"
        ),
    ],
)
def test_where_the_lines_go(tmp_path: Path, ignore: dict[str, str], start: str) -> None:
    project = make_project(tmp_path, "FROM node:24\nCOPY . .\n", {"a.js": "x", "build.log": "l", **ignore})
    (found,) = findings(project, "cache-broad-copy")
    assert found.fix.text.startswith(start)


WHOLE = "RUN --mount=type=bind,target=. --mount=type=cache,target=/root/.cache/go-build go build -o /bin/app ."


@pytest.mark.parametrize(
    ("files", "builder", "expected"),
    [
        pytest.param({"a.go": "x", ".git/HEAD": "ref"}, "buildkit", [2], id="with-the-history"),
        pytest.param({"a.go": "x", ".dockerignore": "Dockerfile\n.d*\n"}, "buildkit", [], id="only-what-is-built"),
        pytest.param({"a.go": "x", ".git/HEAD": "ref"}, "classic", [], id="classic-knows-no-mounts"),
    ],
)
def test_noise_in_a_mounted_context(tmp_path: Path, files: dict[str, str], builder: str, expected: list[int]) -> None:
    project = make_project(tmp_path, f"FROM golang:1.25\n{WHOLE}\n", files)
    assert lines(findings(project, "cache-broad-copy", builder=builder)) == expected


@pytest.mark.parametrize(
    ("mode", "dockerfile", "expected"),
    [
        pytest.param(0o664, "COPY . .", [2], id="group-may-write"),
        pytest.param(0o600, "COPY b/x.js /", [2], id="only-the-owner"),
        pytest.param(0o775, "RUN a\nCOPY b /b", [3], id="executable"),
        pytest.param(0o644, "COPY . .", [], id="as-usual"),
        pytest.param(0o755, "COPY . .", [], id="executable-as-usual"),
        pytest.param(0o664, "COPY a.js /", [], id="not-copied"),
        pytest.param(0o664, "COPY --exclude=b . .", [], id="excluded"),
        pytest.param(0o664, "COPY --from=corp/tool /x /x", [], id="of-another-image"),
    ],
)
def test_modes_that_git_does_not_keep(tmp_path: Path, mode: int, dockerfile: str, expected: list[int]) -> None:
    make_project(tmp_path, f"FROM node:24\n{dockerfile}\n", {"a.js": "x", "b/x.js": "y"})
    (tmp_path / "b" / "x.js").chmod(mode)
    found = findings(read_project(tmp_path), "cache-umask-modes")
    assert lines(found) == expected
    assert all(f"b/x.js ({mode:04o})" in one.message for one in found)


@pytest.mark.parametrize(
    ("path", "mode", "fix"),
    [
        pytest.param("deploy.key", 0o600, None, id="a-secret-is-closed-on-purpose"),
        pytest.param("deploy.key", 0o640, None, id="a-secret-is-not-to-be-opened"),
        pytest.param(".git/objects/aa/bb", 0o444, None, id="what-git-writes-is-no-part-of-a-checkout"),
        pytest.param("app/a.js", 0o664, "here and now: `chmod 644 app/a.js`", id="a-file"),
        pytest.param("bin/run", 0o775, "here and now: `chmod 755 bin/run`", id="a-program"),
    ],
)
def test_the_fix_for_modes_opens_nothing_that_is_closed_on_purpose(
    tmp_path: Path, path: str, mode: int, fix: str | None
) -> None:
    make_project(tmp_path, "FROM node:24\nCOPY . .\n", {path: "x"})
    (tmp_path / path).chmod(mode)
    found = findings(read_project(tmp_path), "cache-umask-modes")
    assert [fix in one.fix.text for one in found if fix] == ([True] if fix else [])
    assert bool(found) is bool(fix)


STEPS = [
    pytest.param("RUN apt-get update\nRUN apt-get install -y curl", {"cache-apt-update-alone"}, id="update-alone"),
    pytest.param("RUN apt-get update && apt-get install -y curl", set(), id="update-with-install"),
    pytest.param("RUN apt-get -qq update; apt-get -y upgrade", set(), id="update-with-upgrade"),
    pytest.param("RUN apk update", {"cache-apt-update-alone"}, id="apk-update"),
    pytest.param("RUN apk add --no-cache curl", set(), id="apk-add"),
    pytest.param("RUN npm ci", {"cache-no-mount"}, id="no-mount"),
    pytest.param("RUN npm install --global pnpm@10", set(), id="a-tool-needs-none"),
    pytest.param("RUN pnpm install --offline", set(), id="offline-downloads-nothing"),
    pytest.param("RUN --mount=type=cache,target=/root/.npm npm ci", set(), id="mounted"),
    pytest.param(
        "RUN --mount=type=cache,target=/root/.npm npm ci && npm cache clean --force",
        {"cache-mount-defeated"},
        id="npm-clean",
    ),
    pytest.param(
        "RUN --mount=type=cache,target=/root/.cache/pip pip install --no-cache-dir -r r.txt",
        {"cache-mount-defeated"},
        id="no-cache-dir",
    ),
    pytest.param(
        "ENV PIP_NO_CACHE_DIR=1\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r r.txt",
        {"cache-mount-defeated"},
        id="switched-off-by-env",
    ),
    pytest.param(
        "ENV PIP_NO_CACHE_DIR=0\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r r.txt",
        set(),
        id="not-switched-off",
    ),
    pytest.param(
        "RUN --mount=type=cache,target=/var/lib/apt/lists apt-get update && apt-get install -y x"
        " && rm -rf /var/lib/apt/lists/*",
        {"cache-mount-defeated"},
        id="lists-removed",
    ),
    pytest.param(
        "RUN --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install -y x"
        " && rm -rf /var/lib/apt/lists/*",
        set(),
        id="another-folder-removed",
    ),
    pytest.param("RUN --mount=type=cache,target=~/.npm npm ci", {"cache-mount-unused"}, id="mount-with-a-tilde"),
    pytest.param(
        "USER node\nRUN --mount=type=cache,target=/root/.npm npm ci", {"cache-mount-unused"}, id="mount-of-another-home"
    ),
    pytest.param(
        "USER node\nRUN --mount=type=cache,target=/home/node/.npm npm ci", {"cache-mount-unused"}, id="mount-of-root"
    ),
    pytest.param(
        "USER node\nRUN --mount=type=cache,target=/home/node/.npm,uid=1000 npm ci", set(), id="mount-with-its-user"
    ),
    pytest.param(
        "USER 1000:1000\nRUN --mount=type=cache,target=/c,mode=0777 npm ci --cache /c", set(), id="mount-for-everybody"
    ),
    pytest.param(
        "USER node\nENV HOME=/root\nRUN --mount=type=cache,target=/root/.npm,uid=1000 npm ci", set(), id="home-is-set"
    ),
    pytest.param("USER 0\nRUN --mount=type=cache,target=/root/.npm npm ci", set(), id="mount-as-root"),
    pytest.param("ARG U=x\nUSER $U\nRUN --mount=type=cache,target=/root/.npm npm ci", set(), id="unknown-user"),
    pytest.param("RUN git clone https://x.example/a.git", {"cache-network-forever"}, id="clone-of-a-branch"),
    pytest.param("RUN git clone -b main https://x.example/a.git", {"cache-network-forever"}, id="clone-of-main"),
    pytest.param("RUN git clone --branch=v1.2 https://x.example/a.git", set(), id="clone-of-a-tag"),
    pytest.param("RUN git clone -b $REF https://x.example/a.git", set(), id="clone-of-what-is-given"),
    pytest.param("RUN git clone https://x.example/a && cd a && git checkout 1a2b3c4", set(), id="clone-and-checkout"),
    pytest.param("RUN curl -L https://x.example/releases/latest/a.tgz | tar x", {"cache-network-forever"}, id="latest"),
    pytest.param("RUN wget https://raw.example/x/master/i.sh", {"cache-network-forever"}, id="master"),
    pytest.param("RUN curl -LO https://x.example/releases/v1.4/a.tgz", set(), id="a-version"),
    pytest.param("RUN curl https://x.example/latest-news/1.2/a", set(), id="a-name-that-only-begins-so"),
    pytest.param("RUN echo see https://x.example/latest", set(), id="only-words"),
    pytest.param("RUN go install x.example/tool@latest", {"cache-network-forever"}, id="go-latest"),
    pytest.param("RUN go install x.example/tool@v1.2.3", set(), id="go-version"),
    pytest.param("COPY --link --chmod=755 a.js /", {"cache-link-noop"}, id="link-with-chmod"),
    pytest.param("COPY --link a.js /", set(), id="link-alone"),
]


@pytest.mark.parametrize(("steps", "expected"), STEPS)
def test_steps(tmp_path: Path, steps: str, expected: set[str]) -> None:
    files = {"a.js": "x", "r.txt": "y"}
    assert {f.rule_id for f in findings(make_project(tmp_path, f"FROM debian:12\n{steps}\n", files))} == expected


@pytest.mark.parametrize(
    ("store", "builder", "expected"),
    [
        pytest.param("overlay2", "buildkit", [2], id="graph-driver"),
        pytest.param("overlayfs", "buildkit", [], id="containerd-store"),
        pytest.param(None, "buildkit", [], id="unknown-store"),
        pytest.param("overlay2", "classic", [], id="classic-knows-no-link"),
    ],
)
def test_link_depends_on_the_store(tmp_path: Path, store: str | None, builder: str, expected: list[int]) -> None:
    project = make_project(tmp_path, "FROM debian:12\nCOPY --link a.js /\n", {"a.js": "x"})
    assert lines(findings(project, "cache-link", store=store, builder=builder)) == expected


def test_no_mount_is_one_finding_for_each_manager(tmp_path: Path) -> None:
    dockerfile = "FROM node:24 AS a\nRUN npm ci\nFROM a\nRUN npm ci --omit=dev\n"
    (found,) = findings(make_project(tmp_path, dockerfile, NODE), "cache-no-mount")
    assert [place.line for place in found.places] == [2, 4]
    assert findings(read_project(tmp_path), "cache-no-mount", builder="classic") == []


IGNORE = [
    pytest.param("node_modules\n", {"b/node_modules/i.js": "x"}, ["node_modules"], id="root-anchored"),
    pytest.param("**/node_modules\n", {"b/node_modules/i.js": "x"}, [], id="every-depth"),
    pytest.param("*.log\n", {"b/x.log": "x"}, ["*.log"], id="extension"),
    pytest.param("build\n", {"src/build/a.js": "x"}, [], id="a-name-that-may-be-meant-for-the-root"),
    pytest.param("node_modules\n", {"a.js": "x"}, [], id="nothing-to-miss"),
    pytest.param("*\n**/*.log\n!b\n", {"b/x.log": "x"}, ["**/*.log"], id="undone-by-a-folder"),
    pytest.param("*\n!b\n", {"b/x.js": "x"}, [], id="allow-list"),
    pytest.param("*.log\n!keep.log\n", {"keep.log": "x"}, [], id="exception-by-name"),
    pytest.param("!b/keep.js\nb\n", {"b/keep.js": "x"}, [], id="folder-excluded-later-is-one-path"),
    pytest.param("!keep.js\n*.js\n", {"keep.js": "x"}, ["keep.js"], id="void-negation"),
    pytest.param("tmp # scratch files\n", {"a.js": "x"}, ["tmp # scratch files"], id="comment-behind-a-pattern"),
    pytest.param("*.{log,tmp}\n", {"a.js": "x"}, ["*.{log,tmp}"], id="braces"),
    pytest.param("../other\n", {"a.js": "x"}, ["../other"], id="outside"),
    pytest.param(".env\n", {"b/.env": "A=1"}, [], id="secrets-have-a-rule-of-their-own"),
]


@pytest.mark.parametrize(("ignore", "files", "expected"), IGNORE)
def test_ignore_lines_without_effect(tmp_path: Path, ignore: str, files: dict[str, str], expected: list[str]) -> None:
    project = make_project(tmp_path, "FROM node:24\n", {**files, ".dockerignore": ignore})
    found = findings(project, "cache-ignore-ineffective")
    assert len(found) == len(expected)
    for finding, text in zip(found, expected, strict=True):
        assert text in finding.message
        assert finding.location.path == ".dockerignore"


def test_links_and_odd_names_are_only_paths(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / os.fsdecode(b"bad\xff\x1b[2J.js")).write_text("x")
    project = make_project(tmp_path, "FROM node:24\nCOPY . .\nRUN npm ci\n", {"package.json": "{}"})
    assert lines(findings(project, "cache-copy-before-install")) == [2]


@pytest.mark.parametrize(
    ("touched", "cached", "evidence"),
    [
        pytest.param("ARG GIT_SHA", False, Evidence.PROVEN, id="measured"),
        pytest.param("ARG GIT_SHA", True, Evidence.PATTERN, id="was-a-hit"),
        pytest.param("ARG OTHER", False, Evidence.PATTERN, id="another-argument"),
    ],
)
def test_what_a_new_value_costs_is_told_where_it_was_measured(
    tmp_path: Path, touched: str, cached: bool, evidence: Evidence
) -> None:
    project = make_project(tmp_path, "FROM node:24\nARG GIT_SHA\nCOPY package*.json ./\nRUN npm ci\n", NODE)
    measured = replace(timing(replace(step(4, 12.34), cached=cached)), name="build-arg", touched=touched)
    (found,) = findings(project, "cache-volatile", timings=(measured,))
    assert found.evidence is evidence
    assert ("12.3 s lost with every new value" in found.message) is (evidence is Evidence.PROVEN)
