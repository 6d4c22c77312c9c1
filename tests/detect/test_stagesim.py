"""What the simulation says is where: tables of instructions, and that it never says NO to what a COPY surely brings."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import make_project

from imgscan.detect.stages.contextindex import index_context, match_source
from imgscan.detect.stages.records import Presence
from imgscan.detect.stages.stagesim import find, simulate

FILES = {"a.txt": "x", "dir/b.txt": "y", "dir/sub/c.txt": "z", "p/one/package.json": "{}", "p/two/package.json": "{}"}

TABLE = [
    pytest.param("FROM node\nWORKDIR /w\nCOPY . .", "/w/dir/sub/c.txt", "yes", id="whole-context"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY dir .", "/w/sub/c.txt", "yes", id="contents-of-a-folder"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY dir .", "/w/dir/b.txt", "no", id="not-the-folder-itself"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY a.txt dir/b.txt x/", "/w/x/b.txt", "yes", id="files-into-a-folder"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY a.txt x", "/w/x", "yes", id="renamed"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY a.txt .", "/w/a.txt", "yes", id="into-the-workdir"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY a.txt /w", "/w/a.txt", "yes", id="into-a-folder-that-exists"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY *.txt ./", "/w/a.txt", "yes", id="glob"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY *.txt ./", "/w/b.txt", "no", id="glob-does-not-descend"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY p/* ./", "/w/package.json", "yes", id="glob-of-folders-flattens"),
    pytest.param(
        "FROM node\nWORKDIR /w\nCOPY --parents p/*/package.json ./", "/w/p/two/package.json", "yes", id="parents"
    ),
    pytest.param(
        "FROM node\nWORKDIR /w\nCOPY --parents ./p/./*/package.json ./", "/w/one/package.json", "yes", id="pivot"
    ),
    pytest.param("FROM node\nWORKDIR /w\nCOPY --exclude=*.txt dir x/", "/w/x/b.txt", "no", id="excluded"),
    pytest.param("FROM node\nARG D=/q\nCOPY dir $D", "/q/b.txt", "yes", id="variable"),
    pytest.param("FROM node\nCOPY dir $GOPATH/x", "/q/b.txt", "maybe", id="variable-of-the-base"),
    pytest.param("FROM node AS a\nWORKDIR /w\nCOPY . .\nFROM a", "/w/a.txt", "yes", id="inherited"),
    pytest.param(
        "FROM node AS a\nWORKDIR /w\nCOPY . .\nFROM node\nCOPY --from=a /w/dir /d", "/d/b.txt", "yes", id="from"
    ),
    pytest.param(
        "FROM node AS a\nWORKDIR /w\nCOPY dir .\nFROM node\nCOPY --from=a /w /d", "/d/a.txt", "no", id="from-lacks"
    ),
    pytest.param("FROM node\nWORKDIR /d\nCOPY --from=other/image /x /d", "/d/x", "maybe", id="from-another-image"),
    pytest.param(
        "FROM node\nWORKDIR /w\nCOPY --from=other/image /x /d", "/w/y", "no", id="another-image-brings-one-place"
    ),
    pytest.param("FROM node\nWORKDIR /w\nADD x.tar.gz /d", "/w/y", "no", id="an-archive-brings-one-place"),
    pytest.param("FROM node\nWORKDIR /w\nRUN make", "/w/a.txt", "maybe", id="made-by-an-unknown-program"),
    pytest.param(
        "FROM node\nWORKDIR /w\nRUN apt-get install -y x && rm -f y", "/w/a.txt", "no", id="harmless-programs"
    ),
    pytest.param("FROM node\nWORKDIR /w\nRUN echo x > a.txt", "/w/a.txt", "maybe", id="redirection"),
    pytest.param("FROM node\nWORKDIR /w\nRUN echo x >/dev/null 2>&1", "/w/a.txt", "no", id="redirection-to-null"),
    pytest.param("FROM node\nWORKDIR /w\nRUN mkdir -p out", "/w/out", "maybe", id="mkdir"),
    pytest.param('FROM node\nWORKDIR /w\nRUN ["make"]', "/w/a.txt", "maybe", id="json-form"),
    pytest.param("FROM node\nWORKDIR /w\nADD https://example.com/a.txt .", "/w/a.txt", "maybe", id="url"),
    pytest.param("FROM node\nWORKDIR /w", "/etc/passwd", "maybe", id="system-folder"),
    pytest.param("FROM corp/base\nWORKDIR /w", "/w/a.txt", "maybe", id="unknown-base"),
    pytest.param(
        "FROM corp/base\nWORKDIR /w\nCOPY dir/b.txt ./", "/w/a.txt", "no", id="project-folder-on-an-unknown-base"
    ),
    pytest.param("FROM node\nCOPY dir ./", "/w/a.txt", "maybe", id="workdir-of-the-base"),
    pytest.param("FROM node\nWORKDIR /w\nRUN npm ci", "/w/node_modules", "maybe", id="install-makes-modules"),
    pytest.param("FROM node\nWORKDIR /w\nRUN npm ci", "/w/dist", "no", id="install-makes-nothing-else"),
    pytest.param("FROM node\nWORKDIR /w\nRUN npm run build", "/w/dist", "maybe", id="script-makes-anything"),
    pytest.param(
        "FROM node\nWORKDIR /w\nRUN cd sub && pnpm i", "/w/node_modules", "no", id="install-in-another-folder"
    ),
    pytest.param("FROM scratch\nCOPY a.txt /", "/a.txt", "yes", id="scratch"),
    pytest.param("FROM node\nWORKDIR /w\nCOPY <<EOF x\nhi\nEOF", "/w/a.txt", "no", id="heredoc-is-another-file"),
]


@pytest.mark.parametrize(("dockerfile", "path", "expected"), TABLE)
def test_find(tmp_path: Path, dockerfile: str, path: str, expected: str) -> None:
    project = make_project(tmp_path, dockerfile + "\n", FILES)
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    assert find(simulation, simulation.target, path).presence == Presence(expected)


def test_run_sees_its_own_mounts(tmp_path: Path) -> None:
    dockerfile = "FROM node\nWORKDIR /w\nRUN --mount=type=bind,source=dir,target=. true\nRUN true\n"
    project = make_project(tmp_path, dockerfile, FILES)
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    first, second = simulation.stages[0].runs
    assert find(simulation, 0, "/w/b.txt", run=first).presence is Presence.YES
    assert find(simulation, 0, "/w/b.txt", run=second).presence is Presence.NO


def test_before_counts_instructions(tmp_path: Path) -> None:
    project = make_project(tmp_path, "FROM node\nWORKDIR /w\nCOPY dir .\nCOPY a.txt .\n", FILES)
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    assert find(simulation, 0, "/w/a.txt", before=4).presence is Presence.NO
    assert find(simulation, 0, "/w/a.txt", before=5).source == "a.txt"


def test_a_long_chain_of_stages_ends_in_maybe(tmp_path: Path) -> None:
    stages = ["FROM node AS s0\nWORKDIR /w\nCOPY . .\n"]
    stages += [f"FROM node AS s{n}\nCOPY --from=s{n - 1} /w /w\nCOPY --from=s{n - 1} /w /w\n" for n in range(1, 300)]
    project = make_project(tmp_path, "".join(stages), FILES)
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    assert find(simulation, 299, "/w/nothing").presence is not Presence.YES


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(".", [""], id="context"),
        pytest.param("./dir/", ["dir"], id="folder"),
        pytest.param("/dir", ["dir"], id="leading-slash"),
        pytest.param("../../dir", ["dir"], id="never-above-the-root"),
        pytest.param("d?r/*.txt", ["dir/b.txt"], id="question-mark"),
        pytest.param("p/[!t]*", ["p/one"], id="class"),
        pytest.param("p/[^t]*", ["p/one"], id="class-as-in-go"),
        pytest.param("**/sub", ["dir/sub"], id="two-stars-are-one"),
        pytest.param("**/package.json", [], id="two-stars-are-one-folder"),
        pytest.param("dir/**", ["dir/b.txt", "dir/sub"], id="two-stars-at-the-end"),
        pytest.param("nothing", [], id="missing"),
        pytest.param("a.tx", [], id="prefix-of-a-name"),
    ],
)
def test_match_source(tmp_path: Path, source: str, expected: list[str]) -> None:
    index = index_context(make_project(tmp_path, "FROM x\n", {**FILES, ".dockerignore": "Dockerfile\n.d*"}).context)
    assert [match.path for match in match_source(index, source) or ()] == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("**/package.json", ["p/one/package.json", "p/two/package.json"], id="two-stars"),
        pytest.param("**/sub/*.txt", ["dir/sub/c.txt"], id="two-stars-in-front"),
        pytest.param("dir/**", ["dir/b.txt", "dir/sub/c.txt"], id="two-stars-at-the-end"),
        pytest.param("p/**/package.json", ["p/one/package.json", "p/two/package.json"], id="two-stars-within"),
        pytest.param("**/**/c.txt", ["dir/sub/c.txt"], id="two-stars-twice"),
        pytest.param("**/*.txt", ["a.txt", "dir/b.txt", "dir/sub/c.txt"], id="two-stars-are-no-folder-too"),
    ],
)
def test_match_source_with_parents(tmp_path: Path, source: str, expected: list[str]) -> None:
    index = index_context(make_project(tmp_path, "FROM x\n", {**FILES, ".dockerignore": "Dockerfile\n.d*"}).context)
    assert [match.path for match in match_source(index, source, deep=True) or ()] == expected


NAMES = st.lists(st.sampled_from(["a", "b", "ab", "a-b", "a0", "a.b"]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None)
@given(paths=st.sets(NAMES, min_size=1, max_size=12), folder=NAMES)
def test_span_is_what_lies_below(paths: set[str], folder: str) -> None:
    from imgscan.detect.stages.contextindex import ContextIndex

    files = tuple(sorted(paths))
    index = ContextIndex(paths=files, offsets=tuple(range(len(files) + 1)), folders=frozenset(), known=frozenset(files))
    below = [files[at] for at in index.span(folder)]
    assert below == [path for path in files if path.startswith(folder + "/")]
    assert index.size_bytes(index.span(folder)) == len(below)


WORDS = st.sampled_from([".", "dir", "dir/", "a.txt", "p/*", "*.txt", "dir/sub", "/dir/b.txt"])
DESTS = st.sampled_from([".", "./", "/x", "/x/", "y", "y/z/"])


@settings(max_examples=80, deadline=None)
@given(copies=st.lists(st.tuples(WORDS, DESTS), max_size=5))
def test_what_a_transfer_says_is_found(tmp_path_factory: pytest.TempPathFactory, copies: list[tuple[str, str]]) -> None:
    dockerfile = "FROM node\nWORKDIR /w\n" + "".join(f"COPY {source} {dest}\n" for source, dest in copies)
    project = make_project(tmp_path_factory.mktemp("p"), dockerfile, FILES)
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    for transfer in simulation.stages[0].transfers:
        assert posixpath.isabs(transfer.dest)
        assert find(simulation, 0, transfer.dest).presence is Presence.YES
