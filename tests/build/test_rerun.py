"""Which instructions run again after which paths changed, by the rules of BuildKit."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import make_project

from imgscan.build.cachemodel.records import CacheBuilder
from imgscan.build.reach import find_reach
from imgscan.build.request import Builder
from imgscan.build.rerun import Reruns, steps_rerun

FILES = {
    "package.json": "{}",
    "package-lock.json": "{}",
    "src/a.js": "x",
    "src/b.js": "x",
    "docs/x.md": "x",
    "README.md": "x",
    "vendor.tar.gz": "x",
    ".dockerignore": "README.md\n.git\n",
}
SPLIT = """FROM node AS deps
WORKDIR /app
COPY package*.json ./
RUN npm ci
FROM deps AS build
COPY src src
RUN npm run build
FROM node
WORKDIR /app
COPY --from=deps /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/src/a.js ./
CMD ["node", "dist"]
"""
CASES = [
    pytest.param(
        "FROM x\nCOPY . .\nRUN a\nENV A=b\nRUN c\n", ["src/a.js"], {2: True, 3: True, 5: True}, id="all-below"
    ),
    pytest.param("FROM x\nRUN a\nCOPY src src\nRUN b\n", ["package.json"], {}, id="nothing-takes-it"),
    pytest.param("FROM x\nCOPY . .\nRUN b\n", ["README.md", ".git/HEAD"], {}, id="ignored"),
    pytest.param("FROM x\nCOPY . .\nRUN b\n", ["src/new.js"], {2: True, 3: True}, id="a-new-file-in-a-folder"),
    pytest.param("FROM x\nCOPY src/ .\nRUN b\n", ["srcs/a.js", "src"], {}, id="a-name-that-only-begins-alike"),
    pytest.param(SPLIT, ["src/a.js"], {6: True, 7: True, 11: False, 12: False}, id="stages-by-content"),
    pytest.param(SPLIT, ["src/b.js"], {6: True, 7: True, 11: False, 12: False}, id="a-part-of-what-was-brought"),
    pytest.param(
        SPLIT,
        ["package.json"],
        {3: True, 4: True, 6: True, 7: True, 10: False, 11: False, 12: False},
        id="through-the-from-chain",
    ),
    pytest.param(
        "FROM x AS a\nWORKDIR /a\nCOPY docs docs\nCOPY src src\nFROM x\nCOPY --from=a /a/docs docs\nRUN b\n",
        ["src/a.js"],
        {4: True},
        id="another-folder-of-a-stage-is-a-hit",
    ),
    pytest.param(
        "FROM x AS a\nWORKDIR /a\nCOPY src src\nCOPY docs docs\nFROM x\nCOPY --from=a /a/docs docs\nRUN b\n",
        ["src/a.js"],
        {3: True, 4: True},
        id="a-copy-that-runs-again-brings-the-same",
    ),
    pytest.param(
        "FROM x AS a\nCOPY src /s\nFROM x\nCOPY --from=a /s /s\nRUN b\n",
        ["src/a.js"],
        {2: True, 4: True, 5: True},
        id="all-of-what-was-brought",
    ),
    pytest.param("FROM x AS u\nCOPY . .\nFROM x\nRUN b\n", ["src/a.js"], {}, id="a-stage-nobody-needs"),
    pytest.param("FROM x\nRUN --mount=type=bind,target=/s make\nRUN b\n", ["src/a.js"], {2: True, 3: True}, id="bind"),
    pytest.param(
        "FROM x\nRUN --mount=type=bind,source=src,target=/s make\n", ["package.json"], {}, id="bind-of-a-folder"
    ),
    pytest.param(
        "FROM x AS a\nCOPY src /s\nRUN a\nFROM x\nRUN --mount=type=bind,from=a,source=/o,target=/o b\nRUN c\n",
        ["src/a.js"],
        {2: True, 3: True, 5: False, 6: False},
        id="bind-of-a-stage",
    ),
    pytest.param("FROM x\nCOPY --from=corp/tool /t /t\nRUN b\n", ["src/a.js"], {}, id="another-image"),
    pytest.param("FROM x\nADD https://x.example/a.tgz /t/\nRUN b\n", ["src/a.js"], {}, id="an-address"),
    pytest.param("FROM x\nADD vendor.tar.gz /t/\nRUN b\n", ["vendor.tar.gz"], {2: True, 3: True}, id="an-archive"),
    pytest.param("FROM x\nADD vendor.tar.gz /t/\nRUN b\n", ["src/a.js"], {}, id="beside-an-archive"),
    pytest.param("FROM x\nCOPY --exclude=*.md . .\nRUN b\n", ["package.json"], {2: True, 3: True}, id="not-excluded"),
    pytest.param("FROM x\nCOPY --exclude=docs . .\nRUN b\n", ["docs/x.md"], {}, id="excluded"),
    pytest.param("FROM x\nCOPY $HERE/src .\nRUN b\n", ["src/a.js"], {2: False, 3: False}, id="cannot-be-told"),
    pytest.param("FROM x\nCOPY *.json /\nRUN b\n", ["new.json"], {2: True, 3: True}, id="a-new-match"),
    pytest.param("FROM x\nCOPY *.json /\nRUN b\n", ["new.js", "x/new.json"], {}, id="no-new-match"),
    pytest.param("FROM x\nCOPY docs/*.md /\nRUN b\n", ["docs/y.md"], {2: True, 3: True}, id="a-new-match-in-a-folder"),
    pytest.param(
        "FROM x\nCOPY --exclude=*.md . /\n", ["docs/y.md", "new.md"], {2: True}, id="excluded-at-the-top-only"
    ),
    pytest.param(
        "FROM x AS a\nCOPY src /s\nFROM x\nCOPY --from=a /s/a.js /\nRUN b\n",
        ["src/b.js"],
        {2: True},
        id="another-part-of-what-was-brought",
    ),
    pytest.param(
        "FROM x AS a\nCOPY src s\nFROM x\nCOPY --from=a /app/s /\nRUN b\n",
        ["src/b.js"],
        {2: True, 4: False, 5: False},
        id="a-working-directory-nobody-knows",
    ),
    pytest.param(
        "FROM x AS a\nWORKDIR /app\nCOPY src s\nFROM x\nCOPY --from=a /app/s /\nRUN b\n",
        ["src/b.js"],
        {3: True, 5: True, 6: True},
        id="a-working-directory-that-is-known",
    ),
    pytest.param("FROM x\nADD https://x.example/a /t/\nCOPY src /s\n", ["src/a.js"], {3: True}, id="below-an-address"),
    pytest.param("FROM x\nCOPY $HERE/src .\nRUN b\n", ["README.md"], {}, id="ignored-cannot-matter"),
]


@pytest.mark.parametrize(("dockerfile", "changed", "expected"), CASES)
def test_lines_that_run_again(tmp_path: Path, dockerfile: str, changed: list[str], expected: dict[int, bool]) -> None:
    project = make_project(tmp_path, dockerfile, FILES)
    reach = find_reach(project.dockerfile, project.context, None, {})
    assert steps_rerun(project.context, reach, changed).lines == expected


def test_a_link_that_points_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("src")
    project = make_project(tmp_path, "FROM x\nCOPY docs /d\nCOPY current/a.js /\nCOPY . /all\n", FILES)
    reruns = Reruns(project.context, find_reach(project.dockerfile, project.context, None, {}))
    assert reruns.of(["current"]).lines == {3: True, 4: True}
    assert reruns.of(["src/a.js"]).lines == {3: True, 4: True}
    assert reruns.of(["src/b.js"]).lines == {4: True}


def test_builders_differ_in_what_they_build(tmp_path: Path) -> None:
    text = "FROM x AS unused\nCOPY . .\nFROM x\nCOPY docs /d\nLABEL a=b\n"
    project = make_project(tmp_path, text, FILES)
    reach = find_reach(project.dockerfile, project.context, None, {})
    classic = Reruns(project.context, reach, CacheBuilder(kind=Builder.CLASSIC))
    assert classic.of(["docs/x.md"]).lines == {2: True, 4: True, 5: True}
    assert Reruns(project.context, reach).of(["docs/x.md"]).lines == {4: True}


def test_the_first_taker_is_blamed_and_answers_are_kept(tmp_path: Path) -> None:
    project = make_project(tmp_path, SPLIT, FILES)
    reruns = Reruns(project.context, find_reach(project.dockerfile, project.context, None, {}))
    both = reruns.of(["src/a.js", "package.json"])
    assert both.busted_by is not None
    assert both.busted_by.instruction.line == 3
    assert reruns.of(["src/b.js"]) is reruns.of(["src/new.js"])
    assert reruns.of(["docs/x.md"]).busted_by is None
