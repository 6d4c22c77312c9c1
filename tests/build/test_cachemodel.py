"""What the cache model predicts, case by case: one change each, as measured on the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from imgscan.build.cachemodel.predict import predict
from imgscan.build.cachemodel.records import BaseImage, CacheBuilder, InputFile, Inputs, Outcome, StepPrediction
from imgscan.build.request import Builder
from imgscan.dockerfile.parse import parse
from imgscan.model import EntryKind

OLD = CacheBuilder(kind=Builder.BUILDKIT, version=(20, 10))
NEW = CacheBuilder(kind=Builder.BUILDKIT, version=(28, 5))
MERGING = CacheBuilder(kind=Builder.BUILDKIT, version=(28, 5), merges=True)
SYNCED = CacheBuilder(kind=Builder.BUILDKIT, version=(28, 5), synced=True)
CLASSIC = CacheBuilder(kind=Builder.CLASSIC, version=(20, 10))
BUILDAH = CacheBuilder(kind=Builder.PODMAN, version=(1, 28))
MARKS = {Outcome.HIT: "+", Outcome.MISS: "-", Outcome.UNKNOWN: "?"}
FILES = {"a/lock": "1", "a/x": "2", "b.txt": "3", "src/main": "4", "src/sub/deep": "5"}


def tree(contents: Mapping[str, str], **changes: InputFile) -> tuple[InputFile, ...]:
    files = {path: file(path, digest) for path, digest in contents.items()}
    return tuple({**files, **changes}.values())


def file(path: str, digest: str = "", mode: int = 0o644, **more: object) -> InputFile:
    return InputFile(path=path, kind=EntryKind.FILE, mode=mode, digest=digest, **more)  # type: ignore[arg-type]


def folder(path: str, mode: int = 0o755) -> InputFile:
    return InputFile(path=path, kind=EntryKind.DIRECTORY, mode=mode)


def link(path: str, target: str) -> InputFile:
    return InputFile(path=path, kind=EntryKind.SYMLINK, mode=0o777, link_target=target)


def inputs(dockerfile: str, files: Sequence[InputFile] = (), **more: object) -> Inputs:
    return Inputs(dockerfile=parse(dockerfile), files=tuple(files) or tree(FILES), **more)  # type: ignore[arg-type]


def marks(steps: Sequence[StepPrediction]) -> str:
    return " ".join(f"{step.instruction.keyword}{MARKS[step.outcome]}" for step in steps)


@dataclass(frozen=True)
class Case:
    """One change. `buildkit` is expected of every BuildKit, `old` of 20.10 where that differs; None: not supported."""

    before: str
    buildkit: str | None
    classic: str | None
    after: str = ""
    old: str | None = ""
    files: Sequence[InputFile] = ()
    changed: Sequence[InputFile] = ()
    args: Mapping[str, str] = field(default_factory=dict)
    new_args: Mapping[str, str] | None = None
    target: str | None = None

    def run(self, builder: CacheBuilder) -> str:
        files = tuple(self.files) or tree(FILES)
        now = {f.path: f for f in files} | {f.path: f for f in self.changed}
        new_args = self.args if self.new_args is None else self.new_args
        before = inputs(self.before, files, build_args=self.args)
        after = inputs(self.after or self.before, tuple(now.values()), build_args=new_args, target=self.target)
        return marks(predict(before, after, builder))


COPY = "FROM x\nCOPY src /src\nRUN make\n"
DOT = "FROM x\nCOPY . /src\nRUN make\n"
MISS = "COPY- RUN-"
HIT = "COPY+ RUN+"
TWO = "FROM x AS one\nCOPY src /src\nRUN make\nFROM x\nCOPY --from=one /src/main /m\nRUN use\n"

MATRIX = {
    "content": Case(COPY, MISS, MISS, changed=[file("src/main", "new")]),
    "mtime": Case(COPY, HIT, HIT, changed=[file("src/main", "4", mtime_ns=5)]),
    "mode": Case(COPY, MISS, MISS, changed=[file("src/main", "4", 0o640)]),
    "executable": Case(COPY, MISS, MISS, changed=[file("src/main", "4", 0o755)]),
    "rename in folder": Case(
        COPY, MISS, MISS, files=[file("src/one", "1")], after=COPY, changed=[file("src/two", "1")]
    ),
    "empty folder": Case(COPY, MISS, MISS, changed=[folder("src/empty")]),
    "unrelated file": Case(COPY, HIT, HIT, changed=[file("other", "9")]),
    "unrelated file, copy of all": Case(DOT, MISS, MISS, changed=[file("other", "9")]),
    "Dockerfile itself, copy of all": Case(DOT, MISS, MISS, changed=[file("Dockerfile", "9")]),
    "ignore file itself, copy of all": Case(DOT, MISS, MISS, changed=[file(".dockerignore", "9")]),
    "comment only": Case(COPY, HIT, HIT, after="# new\n" + COPY),
    "blanks between words": Case(COPY, HIT, HIT, after=COPY.replace("COPY src", "COPY   src")),
    "blanks in the command": Case("FROM x\nRUN a  b\n", "RUN-", "RUN-", after="FROM x\nRUN a b\n"),
    "lower case": Case(COPY, HIT.replace("COPY", "COPY"), HIT, after=COPY.replace("COPY", "copy")),
    "continuation": Case("FROM x\nRUN a && b\n", "RUN+", "RUN+", after="FROM x\nRUN a && \\\nb\n"),
    "comment in continuation": Case("FROM x\nRUN a && \\\nb\n", "RUN+", "RUN+", after="FROM x\nRUN a && \\\n# c\nb\n"),
    "ARG before, unused": Case(
        "FROM x\nARG V\nCOPY src /s\nRUN make\nCOPY a /a\n",
        "COPY+ RUN- COPY-",
        "ARG+ COPY+ RUN- COPY-",
        args={"V": "1"},
        new_args={"V": "2"},
    ),
    "ARG default before, unused": Case(
        "FROM x\nARG V=1\nCOPY src /s\nRUN make\n",
        "COPY+ RUN-",
        "ARG- COPY- RUN-",
        after="FROM x\nARG V=2\nCOPY src /s\nRUN make\n",
    ),
    "ARG without value added": Case(COPY, HIT, "ARG- COPY- RUN-", after=COPY.replace("x\n", "x\nARG V\n", 1)),
    "ARG after": Case(
        "FROM x\nCOPY src /s\nRUN make\nARG V\nRUN two\n",
        "COPY+ RUN+ RUN-",
        "COPY+ RUN+ ARG+ RUN-",
        args={"V": "1"},
        new_args={"V": "2"},
    ),
    "global ARG, not declared again": Case(
        "ARG V=1\nFROM x\nRUN make\n", "RUN+", "RUN+", after="ARG V=2\nFROM x\nRUN make\n"
    ),
    "global ARG, declared again": Case(
        "ARG V=1\nFROM x\nRUN a\nARG V\nCOPY src /s\nRUN b\n",
        "RUN+ COPY+ RUN-",
        "RUN+ ARG+ COPY+ RUN-",
        after="ARG V=2\nFROM x\nRUN a\nARG V\nCOPY src /s\nRUN b\n",
    ),
    "ARG of the parent stage": Case(
        "FROM x AS p\nARG V\nFROM p\nCOPY src /s\nRUN make\n",
        "COPY+ RUN-",
        "ARG+ COPY+ RUN+",
        args={"V": "1"},
        new_args={"V": "2"},
    ),
    "ARG in COPY's destination": Case(
        "FROM x\nARG V\nCOPY src /s$V/\n", "COPY-", "ARG+ COPY-", args={"V": "1"}, new_args={"V": "2"}
    ),
    "proxy, not declared": Case(
        "FROM x\nRUN a\n", "RUN+", "RUN+", args={"HTTP_PROXY": "p"}, new_args={"HTTP_PROXY": "q"}
    ),
    "proxy, not declared, for the first time": Case("FROM x\nRUN a\n", "RUN+", "RUN-", new_args={"HTTP_PROXY": "p"}),
    "proxy, declared": Case(
        "FROM x\nARG HTTP_PROXY\nRUN a\n", "RUN-", "ARG+ RUN-", args={"HTTP_PROXY": "p"}, new_args={"HTTP_PROXY": "q"}
    ),
    "ENV before": Case(
        "FROM x\nENV A=1\nCOPY src /s\nRUN make\n",
        "COPY+ RUN-",
        "ENV- COPY- RUN-",
        after="FROM x\nENV A=2\nCOPY src /s\nRUN make\n",
    ),
    "ENV added": Case(COPY, "COPY+ RUN-", "ENV- COPY- RUN-", after=COPY.replace("x\n", "x\nENV A=1\n", 1)),
    "ENV after all": Case(COPY + "ENV A=1\n", HIT, "COPY+ RUN+ ENV-", after=COPY + "ENV A=2\n"),
    "LABEL before": Case("FROM x\nLABEL a=1\nRUN make\n", "RUN+", "LABEL- RUN-", after="FROM x\nLABEL a=2\nRUN make\n"),
    "EXPOSE, CMD before": Case(
        "FROM x\nEXPOSE 1\nCMD a\nRUN make\n",
        "RUN+",
        "EXPOSE- CMD- RUN-",
        after="FROM x\nEXPOSE 2\nCMD b\nRUN make\n",
    ),
    "USER before": Case(
        "FROM x\nUSER a\nCOPY src /s\nRUN m\n",
        "COPY+ RUN-",
        "USER- COPY- RUN-",
        after="FROM x\nUSER b\nCOPY src /s\nRUN m\n",
    ),
    "WORKDIR before": Case(
        "FROM x\nWORKDIR /a\nRUN make\n", "WORKDIR- RUN-", "WORKDIR- RUN-", after="FROM x\nWORKDIR /b\nRUN make\n"
    ),
    "VOLUME before": Case(
        "FROM x\nVOLUME /a\nRUN make\n", "RUN+", "VOLUME- RUN-", after="FROM x\nVOLUME /b\nRUN make\n"
    ),
    "chown": Case(COPY, MISS, MISS, after=COPY.replace("COPY", "COPY --chown=1")),
    "source renamed": Case(
        "FROM x\nCOPY lock /l\nRUN m\n",
        MISS,
        MISS,
        after="FROM x\nCOPY lock2 /l\nRUN m\n",
        files=[file("lock", "1"), file("lock2", "1")],
    ),
    "source in another folder, same name": Case(
        "FROM x\nCOPY a/lock /l/\nRUN m\n",
        HIT,
        MISS,
        after="FROM x\nCOPY b/lock /l/\nRUN m\n",
        files=[file("a/lock", "1"), file("b/lock", "1")],
    ),
    "order of sources": Case(
        "FROM x\nCOPY a/x b.txt /l/\nRUN m\n", MISS, MISS, after="FROM x\nCOPY b.txt a/x /l/\nRUN m\n"
    ),
    "new match of a pattern": Case("FROM x\nCOPY *.txt /l/\nRUN m\n", MISS, MISS, changed=[file("c.txt", "7")]),
    "no match of a pattern": Case("FROM x\nCOPY *.txt /l/\nRUN m\n", HIT, HIT, changed=[file("c.md", "7")]),
    "unused stage": Case(
        "FROM x AS u\nRUN a\nFROM x\nRUN b\n", "RUN+", "RUN- RUN+", after="FROM x AS u\nRUN c\nFROM x\nRUN b\n"
    ),
    "stage renamed": Case(
        "FROM x AS u\nRUN a\nFROM u\nRUN b\n", "RUN+ RUN+", "RUN+ RUN+", after="FROM x AS v\nRUN a\nFROM v\nRUN b\n"
    ),
    "COPY --from, the file is the same": Case(
        "FROM x AS u\nCOPY b.txt /b\nCOPY src /src\nFROM x\nCOPY --from=u /b /b\nRUN m\n",
        "COPY+ COPY- COPY+ RUN+",
        "COPY+ COPY- COPY+ RUN+",
        changed=[file("src/main", "new")],
    ),
    "COPY --from, another file": Case(
        "FROM x AS u\nCOPY src /src\nFROM x\nCOPY --from=u /src /s\nRUN m\n",
        "COPY- COPY- RUN-",
        "COPY- COPY- RUN-",
        changed=[file("src/main", "new")],
    ),
    "COPY --from behind a RUN": Case(
        TWO, "COPY- RUN- COPY? RUN?", "COPY- RUN- COPY? RUN?", changed=[file("src/main", "new")]
    ),
    "COPY --from behind a RUN that is cached": Case(TWO, "COPY+ RUN+ COPY+ RUN+", "COPY+ RUN+ COPY+ RUN+"),
    "cache mount's id": Case(
        "FROM x\nRUN --mount=type=cache,target=/c,id=a m\n",
        "RUN+",
        None,
        after="FROM x\nRUN --mount=type=cache,target=/c,id=b m\n",
        old="RUN-",
    ),
    "cache mount added": Case(
        "FROM x\nRUN m\n", "RUN-", None, after="FROM x\nRUN --mount=type=cache,target=/c m\n", old="RUN-"
    ),
    "cache mount's sharing": Case(
        "FROM x\nRUN --mount=type=cache,target=/c m\n",
        "RUN-",
        None,
        after="FROM x\nRUN --mount=type=cache,target=/c,sharing=locked m\n",
        old="RUN-",
    ),
    "secret's id": Case(
        "FROM x\nRUN --mount=type=secret,id=a m\n",
        "RUN-",
        None,
        after="FROM x\nRUN --mount=type=secret,id=b m\n",
        old="RUN-",
    ),
    "bind mount's file": Case(
        "FROM x\nRUN --mount=type=bind,source=b.txt,target=/b m\nRUN n\n",
        "RUN- RUN-",
        None,
        changed=[file("b.txt", "new")],
        old="RUN- RUN-",
    ),
    "bind mount, another file": Case(
        "FROM x\nRUN --mount=type=bind,source=b.txt,target=/b m\n",
        "RUN+",
        None,
        changed=[file("a/x", "new")],
        old="RUN+",
    ),
    "bind mount of all, another file": Case(
        "FROM x\nRUN --mount=type=bind,target=/b m\n", "RUN-", None, changed=[file("a/x", "new")], old="RUN-"
    ),
    "bind mount's source renamed": Case(
        "FROM x\nRUN --mount=type=bind,source=one,target=/b m\n",
        "RUN+",
        None,
        after="FROM x\nRUN --mount=type=bind,source=two,target=/b m\n",
        files=[file("one", "1"), file("two", "1")],
        old="RUN+",
    ),
    "heredoc": Case("FROM x\nRUN <<E\na\nE\n", "RUN-", None, after="FROM x\nRUN <<E\nb\nE\n", old=None),
    "heredoc's name": Case("FROM x\nRUN <<E\na\nE\n", "RUN+", None, after="FROM x\nRUN <<F\na\nF\n", old=None),
    "heredoc of COPY": Case(
        "FROM x\nCOPY <<E /f\na $V\nE\n", "COPY-", None, after="FROM x\nENV V=1\nCOPY <<E /f\na $V\nE\n", old=None
    ),
    "target": Case("FROM x AS one\nRUN a\nFROM one\nRUN b\n", "RUN+", "RUN+", target="one"),
    "file becomes a link": Case(COPY, MISS, MISS, changed=[link("src/main", "sub/deep")]),
    "ADD for COPY": Case(COPY, "ADD- RUN-", "ADD- RUN-", after=COPY.replace("COPY", "ADD")),
    "slash behind the destination": Case(COPY, MISS, MISS, after=COPY.replace("/src\n", "/src/\n")),
    "./ before the source": Case(COPY, HIT, HIT, after=COPY.replace("COPY src", "COPY ./src")),
    "JSON form of the same": Case("FROM x\nRUN a b\n", "RUN+", "RUN+", after='FROM x\nRUN ["/bin/sh", "-c", "a b"]\n'),
    "ARG moved behind the RUN": Case(
        "FROM x\nRUN a\nARG V\nLABEL v=$V\n",
        "RUN+",
        "RUN+ ARG+ LABEL-",
        args={"V": "1"},
        new_args={"V": "2"},
    ),
    "ADD of an address": Case("FROM x\nADD https://example.com/f /f\nRUN a\n", "ADD? RUN?", "ADD? RUN?"),
    "ADD of an address with its checksum": Case(
        "FROM x\nADD --checksum=sha256:1 https://example.com/f /f\n", "ADD+", None, old=None
    ),
    "ADD of an archive": Case(
        "FROM x\nADD a.tar /\nRUN a\n",
        "ADD- RUN-",
        "ADD- RUN-",
        files=[file("a.tar", "1")],
        changed=[file("a.tar", "2")],
    ),
    "excluded file": Case("FROM x\nCOPY --exclude=*.md . /s\n", "COPY+", None, changed=[file("new.md", "1")], old=None),
    "link followed": Case(
        "FROM x\nCOPY l /l\n",
        "COPY-",
        None,
        files=[link("l", "b.txt"), file("b.txt", "1")],
        changed=[file("b.txt", "2")],
        old="COPY-",
    ),
    "trigger of a parent stage": Case(
        "FROM x AS p\nONBUILD COPY src /s\nFROM p\nRUN a\n",
        "COPY- RUN-",
        "ONBUILD+ RUN-",
        changed=[file("src/main", "new")],
    ),
}


@pytest.mark.parametrize("case", MATRIX.values(), ids=list(MATRIX))
def test_matrix(case: Case) -> None:
    if case.buildkit is not None:
        assert case.run(NEW) == case.buildkit
    old = case.buildkit if case.old == "" else case.old
    if old is not None:
        assert case.run(OLD) == old
    if case.classic is not None:
        assert case.run(CLASSIC) == case.classic


@pytest.mark.parametrize(
    ("builder", "expected"), [(NEW, "COPY-"), (SYNCED, "COPY+"), (CLASSIC, "COPY-")], ids=["sent", "synced", "classic"]
)
def test_folder_mode(builder: CacheBuilder, expected: str) -> None:
    before, after = ([folder("src", mode), file("src/a", "1")] for mode in (0o755, 0o700))
    steps = predict(inputs("FROM x\nCOPY src /s\n", before), inputs("FROM x\nCOPY src /s\n", after), builder)
    assert marks(steps) == expected


LINKED = "FROM x\nCOPY src /s\nCOPY --link b.txt /b\nRUN a\n"


@pytest.mark.parametrize(
    ("builder", "flag", "expected"),
    [
        (NEW, "--link", "COPY- COPY- RUN-"),
        (MERGING, "--link", "COPY- COPY+ RUN-"),
        (MERGING, "--link --chmod=644", "COPY- COPY- RUN-"),
    ],
    ids=["cannot merge", "merges", "with --chmod"],
)
def test_link(builder: CacheBuilder, flag: str, expected: str) -> None:
    text = LINKED.replace("--link", flag)
    changed = tree({**FILES, "src/main": "new"})
    assert marks(predict(inputs(text), inputs(text, changed), builder)) == expected


def test_base_image() -> None:
    one, two = BaseImage(layers="1", config="c1"), BaseImage(layers="2", config="c2")
    other_env = BaseImage(layers="1", config="c3", env=(("A", "1"),))
    before, after, env = (inputs(COPY, bases={"x": base}) for base in (one, two, other_env))
    assert marks(predict(before, after, NEW)) == "COPY- RUN-"
    assert marks(predict(before, env, NEW)) == "COPY+ RUN-"
    assert marks(predict(before, env, CLASSIC)) == "COPY- RUN-"
    assert predict(before, after, NEW)[0].reason == "the base image is another one"
    assert marks(predict(before, after, MERGING)) == "COPY- RUN-"
    assert marks(predict(before, env, MERGING)) == "COPY? RUN-"
    assert predict(before, env, MERGING)[0].reason == (
        "the image of FROM in line 1 is another one of the same layers, and it depends on which of the two the engine "
        "used first"
    )
    assert marks(predict(env, env, MERGING)) == "COPY+ RUN+"


def test_a_stage_sets_the_variables_of_its_image_anew() -> None:
    """In the order that they have in the image, where a variable stays at the place it has."""
    text = "FROM x AS a\nENV E=1 F=2\nFROM a\nRUN m\n"
    bare, with_e = BaseImage(layers="1"), BaseImage(layers="1", env=(("E", "0"),))
    with_path = BaseImage(layers="1", env=(("PATH", "/bin"), ("E", "0")))
    before, after, path = (inputs(text, bases={"x": base}) for base in (bare, with_e, with_path))
    assert marks(predict(before, after, NEW)) == "RUN-"
    assert predict(before, after, NEW)[0].reason == "variables are set in another order"
    assert predict(before, path, NEW)[0].reason == "the variable PATH has another value"
    alone = "FROM x\nENV E=1 F=2\nRUN m\n"
    before, after = (inputs(alone, bases={"x": base}) for base in (bare, with_e))
    assert marks(predict(before, after, NEW)) == "RUN+"


def test_with_exclude_links_count_as_what_they_point_to() -> None:
    text = "FROM x\nCOPY --exclude=*.txt . /s\n"
    files = (*tree({"a.txt": "1", "b.txt": "1"}), link("ln", "a.txt"), link("dangling", "c.txt"))
    before = inputs(text, files)
    named, other = (inputs(text, (*files, file(name, "new"))) for name in ("a.txt", "b.txt"))
    assert marks(predict(before, named, NEW)) == "COPY-"
    assert predict(before, named, NEW)[0].reason == "what ln points to changed"
    assert marks(predict(before, other, NEW)) == "COPY+"


@pytest.mark.parametrize("step", ["COPY --from=one /a /k", "RUN --mount=type=bind,from=one,source=/a,target=/k use"])
def test_a_step_that_takes_from_what_it_stands_on(step: str) -> None:
    """BuildKit has one input for it then: the files of it do not count, what was there before does."""
    own = f"FROM x AS one\nCOPY a/x /a\nFROM x\nCOPY a/x /a\n{step}\n"
    other = f"FROM x AS one\nCOPY a/x /a\nCOPY b.txt /b\nFROM x\nCOPY a/x /a\n{step}\n"
    keyword = step.split()[0]
    assert marks(predict(inputs(other), inputs(own), NEW)) == f"COPY+ COPY+ {keyword}-"
    assert marks(predict(inputs(own), inputs(other), NEW)) == f"COPY+ COPY- COPY+ {keyword}-"
    assert marks(predict(inputs(own), inputs(own), NEW)) == f"COPY+ COPY+ {keyword}+"
    named = "FROM x AS one\nCOPY a /a\nFROM one\nCOPY --from=one /a/x /k\n"
    assert marks(predict(inputs(named), inputs(named.replace("/a/x", "/a/./x")), NEW)) == "COPY+ COPY-"


def test_triggers_of_the_base() -> None:
    base = BaseImage(layers="1", triggers=("COPY b.txt /b", "nonsense"))
    before = inputs("FROM x\nRUN a\n", bases={"x": base})
    after = inputs("FROM x\nRUN a\n", tree({**FILES, "b.txt": "new"}), bases={"x": base})
    steps = predict(before, after, NEW)
    assert marks(steps) == "COPY- RUN-"
    assert [(step.ordinal, step.instruction.line) for step in steps] == [(2, 1), (3, 2)]


BUILDAH_CASES = {
    "ARG": ("FROM x\nARG V\nCOPY src /s\nRUN m\n", {}, {"V": "2"}, "ARG+ COPY+ RUN-"),
    "bind mount is stale": ("FROM x\nRUN --mount=type=bind,source=b.txt,target=/b m\n", {"b.txt": "new"}, {}, "RUN+"),
    "unused stage": ("FROM x AS u\nCOPY b.txt /b\nFROM x\nRUN m\n", {"b.txt": "new"}, {}, "RUN+"),
    "content": (COPY, {"src/main": "new"}, {}, "COPY- RUN-"),
}


@pytest.mark.parametrize(("text", "changed", "args", "expected"), BUILDAH_CASES.values(), ids=list(BUILDAH_CASES))
def test_buildah(text: str, changed: Mapping[str, str], args: Mapping[str, str], expected: str) -> None:
    after = inputs(text, tree({**FILES, **changed}), build_args=args)
    assert marks(predict(inputs(text), after, BUILDAH)) == expected


def test_reasons() -> None:
    text = "FROM x\nCOPY src /s\nARG SHA=1\nRUN a\nRUN b\n"
    steps = predict(inputs(text), inputs(text, build_args={"SHA": "hush"}), NEW)
    assert [step.reason for step in steps] == [
        "",
        "the variable SHA has another value",
        "the variable SHA has another value",
    ]
    steps = predict(inputs(text), inputs(text, tree({**FILES, "src/main": "new", "src/more": "1"})), NEW)
    assert steps[0].reason == "src/main has other content, src/more is new"
    assert steps[2].reason == "COPY in line 2 comes before it"
    assert [step.cause.line for step in steps if step.cause] == [2, 2, 2]


def test_unknown_says_what_it_depends_on() -> None:
    steps = predict(inputs(TWO), inputs(TWO, tree({**FILES, "src/main": "new"})), NEW)
    assert steps[3].reason == "it depends on whether RUN in line 3 gives the same files as before"
    assert [step.line for step in steps[3].depends_on] == [3]
