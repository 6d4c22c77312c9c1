"""Which files are touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from imgscan.build.candidates import choose_source, is_source
from imgscan.build.gitlog import count_changes
from imgscan.build.reach import Reach, find_reach
from imgscan.build.scenarios import (
    ALL_SCENARIOS,
    SCENARIOS,
    Choice,
    Wishes,
    basis_scenarios,
    choose_files,
    choose_touches,
    pick_scenarios,
)
from imgscan.cli import build_options
from imgscan.dockerfile.context import BuildContext, read_context
from imgscan.dockerfile.parse import parse
from imgscan.errors import InputError

CONTENTS = {"lockb": b"\0binary", "json": b"{}\n"}
NO_HISTORY: Mapping[str, int] = {}


def project(root: Path, dockerfile: str, *files: str) -> tuple[BuildContext, Reach]:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS.get(name.rpartition(".")[2], b"content\n"))
    (root / "Dockerfile").write_text(dockerfile)
    context = read_context(root)
    return context, find_reach(parse(dockerfile), context, None, {})


def choose(context: BuildContext, reach: Reach, changes: Mapping[str, int] = NO_HISTORY, **given: str) -> Choice:
    return choose_files(context, reach, read_changes=lambda root: changes, **given)


def chosen(choice: Choice) -> tuple[str | None, str | None]:
    return (choice.source.path if choice.source else None, choice.lockfile.path if choice.lockfile else None)


@pytest.mark.parametrize(
    "path",
    [
        "src/index.ts",
        "main.go",
        "app/views.py",
        "lib/a.rb",
        "cmd/x/main.go",
        "web/App.vue",
        "Program.cs",
        "api/schema.sql",
    ],
)
def test_sources(path: str) -> None:
    assert is_source(path)


@pytest.mark.parametrize(
    "path",
    [
        "package.json",
        "pnpm-lock.yaml",
        "README.md",
        "src/index.test.ts",
        "tests/test_a.py",
        "a_test.go",
        "src/types.d.ts",
        "vite.config.ts",
        "Dockerfile",
        "docs/conf.py",
        "node_modules/x/index.js",
        "dist/main.js",
        ".github/x.py",
        "setup.py",
        "build.rs",
        "migrations/0001.sql",
        "logo.svg",
        "a",
    ],
)
def test_not_sources(path: str) -> None:
    assert not is_source(path)


@pytest.mark.parametrize(
    ("paths", "changes", "expected"),
    [
        pytest.param(["src/a.ts", "src/b.ts"], {"src/b.ts": 3, "src/a.ts": 1}, "src/b.ts", id="history"),
        pytest.param(["tests/a_test.py", "src/a.py"], {"tests/a_test.py": 9}, "src/a.py", id="tests-do-not-count"),
        pytest.param(["zeta.ts", "src/deep/x/alpha.ts"], {}, "src/deep/x/alpha.ts", id="source-folder"),
        pytest.param(["src/zeta.ts", "src/index.ts"], {}, "src/index.ts", id="main-name"),
        pytest.param(["src/a/index.ts", "src/index.ts"], {}, "src/index.ts", id="nearest"),
        pytest.param(["src/style.css", "src/zeta.ts"], {}, "src/zeta.ts", id="code-before-style"),
        pytest.param(["README.md"], {"README.md": 5}, None, id="nothing"),
    ],
)
def test_choose_source(paths: list[str], changes: dict[str, int], expected: str | None) -> None:
    assert choose_source(paths, changes) == expected


def test_only_what_reaches_a_needed_stage(tmp_path: Path) -> None:
    dockerfile = "FROM a AS unused\nCOPY other other\nFROM b\nCOPY package.json yarn.lock ./\nRUN yarn\nCOPY src src\n"
    made = project(tmp_path, dockerfile, "other/main.ts", "src/x.ts", "package.json", "yarn.lock", "go.sum")
    assert chosen(choose(*made, changes={"other/main.ts": 50})) == ("src/x.ts", "yarn.lock")


def test_ignored_files_are_never_chosen(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("src/hot.py\n")
    made = project(tmp_path, "FROM a\nCOPY . .\n", "src/hot.py", "src/cold.py")
    assert chosen(choose(*made, changes={"src/hot.py": 50})) == ("src/cold.py", None)


def test_bind_mounts_reach_too(tmp_path: Path) -> None:
    dockerfile = "FROM a\nRUN --mount=type=bind,source=src,target=/s make\n"
    made = project(tmp_path, dockerfile, "src/x.c", "y.c")
    assert chosen(choose(*made)) == ("src/x.c", None)


@pytest.mark.parametrize(
    ("dockerfile", "files", "expected"),
    [
        pytest.param(
            "FROM a\nCOPY . .\nRUN npm ci\n", ["yarn.lock", "package-lock.json"], "package-lock.json", id="installed"
        ),
        pytest.param("FROM a\nCOPY . .\nRUN make\n", ["go.sum", "pnpm-lock.yaml"], "pnpm-lock.yaml", id="known-order"),
        pytest.param(
            "FROM a\nCOPY . .\nRUN npm ci\n",
            ["a/package-lock.json", "package-lock.json"],
            "package-lock.json",
            id="root",
        ),
        pytest.param(
            "FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n",
            ["poetry.lock", "requirements.txt"],
            "requirements.txt",
            id="requirements",
        ),
        pytest.param("FROM a\nCOPY . .\n", ["requirements-dev.txt"], "requirements-dev.txt", id="requirements-by-name"),
        pytest.param("FROM a\nCOPY x .\nRUN npm ci\n", ["x", "package-lock.json"], None, id="not-copied"),
    ],
)
def test_choose_lockfile(tmp_path: Path, dockerfile: str, files: list[str], expected: str | None) -> None:
    choice = choose(*project(tmp_path, dockerfile, *files))
    assert chosen(choice)[1] == expected
    left_out = {skipped.where for skipped in choice.skipped}
    assert ("touch-lockfile" in left_out) == (expected is None)


def test_binary_lockfile_is_skipped_with_a_reason(tmp_path: Path) -> None:
    choice = choose(*project(tmp_path, "FROM a\nCOPY . .\nRUN bun install\n", "bun.lockb", "src/a.ts"))
    assert chosen(choice) == ("src/a.ts", None)
    assert [(skipped.where, "binary" in skipped.reason) for skipped in choice.skipped] == [("touch-lockfile", True)]


def test_the_user_chooses(tmp_path: Path) -> None:
    made = project(tmp_path, "FROM a\nCOPY . .\n", "src/a.ts", "deep/b.txt", "my.lock")
    assert chosen(choose(*made, touch_source_path="./deep/b.txt", touch_lockfile_path="my.lock")) == (
        "deep/b.txt",
        "my.lock",
    )
    assert chosen(choose(*made, touch_source_path=str(tmp_path / "src/a.ts"))) == ("src/a.ts", None)


@pytest.mark.parametrize(
    ("given", "near"),
    [pytest.param("src/b.ts", "src/a.ts", id="near-name"), pytest.param("a.ts", "src/a.ts", id="same-name-elsewhere")],
)
def test_a_path_that_is_not_there(tmp_path: Path, given: str, near: str) -> None:
    made = project(tmp_path, "FROM a\nCOPY . .\n", "src/a.ts")
    with pytest.raises(InputError, match="--touch-source") as caught:
        choose(*made, touch_source_path=given)
    assert near in caught.value.next_step


def test_each_repeat_has_new_content_of_the_original(tmp_path: Path) -> None:
    choice = choose(*project(tmp_path, "FROM a\nCOPY . .\n", "src/a.ts"))
    assert choice.source is not None
    contents = [choice.source.replacement(f"run-{n}")["src/a.ts"] for n in range(3)]
    assert len(set(contents)) == 3
    assert all(content.startswith(b"content\n") and content.count(b"imgscan") == 1 for content in contents)


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, env=environment)


def repository(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    git(root, "init", "-q")
    for content in ("1", "2", "3"):
        (root / "hot.py").write_text(content)
        (root / "sub").mkdir(exist_ok=True)
        (root / "sub" / "wärm.py").write_text(content if content != "3" else "2")
        (root / "cold.py").write_text("1")
        git(root, "add", "-A")
        git(root, "commit", "-qm", content)
    return root


def test_history_is_counted(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    assert count_changes(root) == {"hot.py": 3, "sub/wärm.py": 2, "cold.py": 1}
    assert count_changes(root / "sub") == {"wärm.py": 2}


def test_without_history_there_are_no_changes(tmp_path: Path) -> None:
    assert count_changes(tmp_path) == {}
    assert count_changes(tmp_path / "gone") == {}


def test_a_hostile_repository_runs_nothing(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "gpg.program", "core.sshCommand", "diff.x.textconv"):
        git(root, "config", key, str(trap))
    git(root, "config", "log.showSignature", "true")
    git(root, "config", "pager.log", str(trap))
    (root / ".git" / "info" / "attributes").write_text("* diff=x\n")
    assert count_changes(root)["hot.py"] == 3
    assert not (tmp_path / "sprung").exists()


ALL = "FROM a\nARG NODE=20\nARG GIT_SHA\nCOPY . .\nRUN npm ci\n"


def touches(root: Path, dockerfile: str, *files: str, ignore: str = "", argument: str | None = None) -> dict[str, str]:
    if ignore:
        (root / ".dockerignore").write_text(ignore)
    context, reach = project(root, dockerfile, *files)
    wishes = Wishes(scenarios=ALL_SCENARIOS, argument=argument)
    choice = choose_touches(context, parse(dockerfile), reach, wishes, lambda root: {})
    return {name: touch.what for name, touch in choice.touches.items()} | {
        skipped.where: f"skipped: {skipped.reason}" for skipped in choice.skipped
    }


@pytest.mark.parametrize(
    ("dockerfile", "files", "scenario", "expected"),
    [
        pytest.param(ALL, ["pyproject.toml", "package.json"], "touch-manifest", "package.json", id="of-the-install"),
        pytest.param(ALL, ["x/package.json", "package.json"], "touch-manifest", "package.json", id="nearest"),
        pytest.param("FROM a\nCOPY . .\n", ["api/Api.csproj"], "touch-manifest", "api/Api.csproj", id="by-extension"),
        pytest.param(
            "FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n",
            ["requirements.txt", "x.py"],
            "touch-manifest",
            "skipped: no manifest of the context is copied into the image",
            id="requirements-have-no-scripts",
        ),
        pytest.param(ALL, ["docs/a.md", "README.md", "a.md"], "touch-unrelated", "README.md", id="readme-first"),
        pytest.param("FROM a\nCOPY src /\n", ["src/a", "docs/x.md"], "touch-unrelated", "docs/x.md", id="not-copied"),
        pytest.param(
            ALL,
            ["a.js"],
            "touch-unrelated",
            "skipped: the context has no README or other document: such an edit cannot re-run anything",
            id="no-document",
        ),
        pytest.param(ALL, [], "build-arg", "ARG GIT_SHA", id="volatile-argument"),
        pytest.param(ALL, [], "dockerfile-comment", "Dockerfile", id="the-dockerfile"),
    ],
)
def test_what_the_other_scenarios_touch(
    tmp_path: Path, dockerfile: str, files: list[str], scenario: str, expected: str
) -> None:
    assert touches(tmp_path, dockerfile, *files)[scenario] == expected


@pytest.mark.parametrize(
    ("dockerfile", "argument", "expected"),
    [
        pytest.param("FROM a\nARG NODE=20\n", None, "skipped", id="no-volatile-one"),
        pytest.param("FROM a\nARG NODE=20\n", "NODE", "ARG NODE", id="named"),
        pytest.param("ARG VERSION=1\nFROM a:${VERSION}\nARG VERSION\n", None, "skipped", id="names-the-base"),
        pytest.param("FROM b AS u\nARG GIT_SHA\nFROM a\nRUN x\n", None, "skipped", id="of-a-stage-nobody-needs"),
    ],
)
def test_which_argument(tmp_path: Path, dockerfile: str, argument: str | None, expected: str) -> None:
    found = touches(tmp_path, dockerfile, argument=argument)["build-arg"]
    assert found.partition(":")[0] == expected


def test_an_argument_that_is_not_declared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no stage that is built declares an ARG X"):
        touches(tmp_path, ALL, argument="X")


def test_an_ignored_dockerfile_is_not_touched(tmp_path: Path) -> None:
    found = touches(tmp_path, ALL, "a.js", ignore="Dockerfile\n")
    assert found["dockerfile-comment"].startswith("skipped: the Dockerfile is not part of the context")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), SCENARIOS),
        (("cold",), ("cold",)),
        (("build-arg",), ("cold", "noop", "build-arg")),
        (("rerun-all", "touch-source"), ("cold", "noop", "touch-source", "rerun-all")),
    ],
)
def test_what_is_measured_for_what_is_asked(names: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert pick_scenarios(names) == expected


def test_the_command_line_offers_every_scenario() -> None:
    assert build_options.SCENARIOS == ALL_SCENARIOS


@pytest.mark.parametrize(
    ("run", "expected"),
    [("RUN x", ("cold", "noop")), ("RUN --mount=type=cache,target=/c x", ("cold", "noop", "rerun-all"))],
)
def test_cache_mounts_are_seen_filled_before_predicting(tmp_path: Path, run: str, expected: tuple[str, ...]) -> None:
    _, reach = project(tmp_path, f"FROM a\n{run}\n")
    assert basis_scenarios(reach) == expected
