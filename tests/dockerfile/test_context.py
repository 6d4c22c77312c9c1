"""What reaches the engine from a directory, what is ignored, what is left out, and what is refused."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imgscan.dockerfile.context import RESERVED_DOCKERFILE, classic_context, read_context
from imgscan.dockerfile.ignore import IgnoreRules, parse_ignore
from imgscan.errors import InputError
from imgscan.model import EntryKind, Skipped


def fill(root: Path, *paths: str, dockerfile: str | None = "FROM scratch\n") -> Path:
    """Files with their own path as content; a path that ends in a slash is a directory."""
    for path in paths:
        target = root / path
        (target if path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            target.write_text(path)
    if dockerfile is not None:
        (root / "Dockerfile").write_text(dockerfile)
    return root


def test_everything_without_rules(tmp_path: Path) -> None:
    found = read_context(fill(tmp_path, "a/b/c", "a-b", ".git/config", "empty/"))
    assert [(f.path, f.kind, f.size_bytes) for f in found.files] == [
        (".git", EntryKind.DIRECTORY, 0),
        (".git/config", EntryKind.FILE, 11),
        ("Dockerfile", EntryKind.FILE, 13),
        ("a", EntryKind.DIRECTORY, 0),
        ("a-b", EntryKind.FILE, 3),
        ("a/b", EntryKind.DIRECTORY, 0),
        ("a/b/c", EntryKind.FILE, 5),
        ("empty", EntryKind.DIRECTORY, 0),
    ]
    assert (found.dockerfile, found.dockerfile_text, found.size_bytes) == ("Dockerfile", b"FROM scratch\n", 32)
    assert (found.ignored, found.rules, found.skipped) == ((), None, ())


TREE = (
    "src/a.py",
    "src/b.pyc",
    "src/sub/c.py",
    "node_modules/x/i.js",
    "node_modules/x/README.md",
    "README.md",
    "log.txt",
)


@pytest.mark.parametrize(
    ("ignore", "files", "ignored"),
    [
        pytest.param(
            "node_modules\n**/*.pyc\n.dockerignore\nDockerfile\n",
            "README.md log.txt src src/a.py src/sub src/sub/c.py",
            ".dockerignore Dockerfile node_modules src/b.pyc",
            id="plain",
        ),
        pytest.param(
            "*\n!src/sub\n",
            "src src/sub src/sub/c.py",
            ".dockerignore Dockerfile README.md log.txt node_modules src/a.py src/b.pyc",
            id="allow-list",
        ),
        pytest.param(
            "*\n!**/*.md\n",
            "README.md node_modules node_modules/x node_modules/x/README.md",
            ".dockerignore Dockerfile log.txt node_modules/x/i.js src",
            id="deep-exception",
        ),
        pytest.param(
            "**\n!src\nsrc/*.pyc\n",
            "src src/a.py src/sub src/sub/c.py",
            ".dockerignore Dockerfile README.md log.txt node_modules src/b.pyc",
            id="exception-with-exception",
        ),
        pytest.param("*\n", "", ".dockerignore Dockerfile README.md log.txt node_modules src", id="all"),
        pytest.param(
            "node_modules/x/*\n!node_modules/x/i.js\n.*\n",
            "Dockerfile README.md log.txt node_modules node_modules/x node_modules/x/i.js src src/a.py src/b.pyc src/sub src/sub/c.py",
            ".dockerignore node_modules/x/README.md",
            id="inside-a-kept-directory",
        ),
        pytest.param(
            "src\n!src/sub/none\n",
            ".dockerignore Dockerfile README.md log.txt node_modules node_modules/x node_modules/x/README.md node_modules/x/i.js",
            "src",
            id="exception-without-a-match",
        ),
    ],
)
def test_rules(tmp_path: Path, ignore: str, files: str, ignored: str) -> None:
    fill(tmp_path, *TREE)
    (tmp_path / ".dockerignore").write_text(ignore)
    found = read_context(tmp_path)
    assert [f.path for f in found.files] == files.split()
    assert found.ignored == tuple(ignored.split())
    assert found.rules is not None
    assert found.rules.file == ".dockerignore"


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        # What docker build 28.2 with buildx 0.13 sends for these trees.
        pytest.param("d/*\n!d\n", ["d"], id="exception-for-a-directory-that-was-not-ignored"),
        pytest.param("d\n!d\n", ["d", "d/e", "d/e/f", "d/g"], id="exception-for-one-that-was"),
        pytest.param("d/**\n!*\n", ["d"], id="exception-with-a-star"),
        pytest.param("d/**\n!d/e\n", ["d", "d/e", "d/e/f"], id="exception-below"),
    ],
)
def test_exceptions_for_directories(tmp_path: Path, ignore: str, kept: list[str]) -> None:
    fill(tmp_path, "d/e/f", "d/g")
    (tmp_path / ".dockerignore").write_text(ignore)
    assert [f.path for f in read_context(tmp_path).files if f.path.startswith("d")] == kept


def reference(rules: IgnoreRules, root: Path) -> set[str]:
    """What a walk keeps, written down pattern by pattern and without any short cut."""
    kept: set[str] = set()
    flags: dict[str, list[bool]] = {"": [False] * len(rules.patterns)}
    # The slash keeps the one a pattern may begin with once it is cleaned (`/!/a` is `!` with `/a`).
    alone = [parse_ignore(("/!" if p.negated else "") + p.text).runs[0].matches for p in rules.patterns]
    for path in sorted(path.relative_to(root).as_posix() for path in root.rglob("*")):
        above = flags[path.rpartition("/")[0]]
        flags[path] = [False] * len(alone)
        ignored = False
        for number, pattern in enumerate(rules.patterns):
            match = above[number] or (pattern.negated == ignored and alone[number](path))
            flags[path][number] = match
            ignored = not pattern.negated if match else ignored
        if not ignored:
            kept |= {path, *(parent.as_posix() for parent in Path(path).parents)} - {"."}
    return kept


LINES = st.lists(st.text(alphabet="ab/*!?", min_size=1, max_size=6), max_size=4)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES)
@example(lines=["?", "/!/?"])
def test_short_cuts_of_the_walk_change_nothing(tmp_path: Path, lines: list[str]) -> None:
    if not (tmp_path / "a").exists():
        fill(tmp_path, *(f"{x}/{y}/{z}" for x in "ab" for y in ("a", "b", "ab") for z in "ab"), "ab", "aa")
    (tmp_path / ".dockerignore").write_text("\n".join(lines))
    try:
        found = read_context(tmp_path)
    except InputError:
        return
    assert found.rules is not None
    kept = reference(found.rules, tmp_path)
    assert {file.path for file in found.files} == kept
    dropped = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} - kept
    assert set(found.ignored) == {path for path in dropped if Path(path).parent.as_posix() not in dropped}


def test_ignore_file_beside_the_dockerfile_comes_first(tmp_path: Path) -> None:
    fill(tmp_path, "docker/prod.Dockerfile", "a", "b")
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "docker/prod.Dockerfile.dockerignore").write_text("b\n")
    found = read_context(tmp_path, tmp_path / "docker/prod.Dockerfile")
    assert found.dockerfile == "docker/prod.Dockerfile"
    assert found.ignored == ("b",)
    assert found.rules is not None
    assert found.rules.file == "docker/prod.Dockerfile.dockerignore"


def test_dockerfile_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "project", "sub/Dockerfile.dev")
    monkeypatch.chdir(tmp_path / "project" / "sub")
    assert read_context(Path(".."), Path("Dockerfile.dev")).dockerfile == "sub/Dockerfile.dev"
    with pytest.raises(InputError, match=r"^there is no file sub/Dockerfile\.dev$"):
        read_context(Path(".."), Path("sub/Dockerfile.dev"))


def test_lower_case_dockerfile(tmp_path: Path) -> None:
    fill(tmp_path, "dockerfile", dockerfile=None)
    assert read_context(tmp_path).dockerfile == "dockerfile"


def test_ignored_dockerfile_gets_the_reserved_name(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    (tmp_path / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    found = read_context(tmp_path)
    assert found.dockerfile == RESERVED_DOCKERFILE
    assert found.dockerfile_path == tmp_path / "Dockerfile"
    assert [f.path for f in found.files] == ["a"]


def test_reserved_name_is_never_a_file_of_the_context(tmp_path: Path) -> None:
    fill(tmp_path, RESERVED_DOCKERFILE, f"{RESERVED_DOCKERFILE}_")
    (tmp_path / ".dockerignore").write_text("Dockerfile\n")
    assert read_context(tmp_path).dockerfile == f"{RESERVED_DOCKERFILE}__"


def test_dockerfile_outside(tmp_path: Path) -> None:
    fill(tmp_path / "context", "a", dockerfile=None)
    outside = fill(tmp_path, "other/Dockerfile", "other/Dockerfile.dockerignore") / "other/Dockerfile"
    (tmp_path / "other/Dockerfile.dockerignore").write_text("a\n")
    found = read_context(tmp_path / "context", outside)
    assert found.dockerfile == RESERVED_DOCKERFILE
    assert found.dockerfile_text == b"other/Dockerfile"
    assert found.ignored == ("a",)


def test_dockerfile_through_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "c", "docker/prod", dockerfile=None)
    (tmp_path / "c/Dockerfile").symlink_to("docker/prod")
    (tmp_path / "c/Dockerfile.dockerignore").write_text("docker/x\n")
    found = read_context(tmp_path / "c")
    assert (found.dockerfile, found.dockerfile_text) == ("docker/prod", b"docker/prod")
    assert found.rules is not None
    (tmp_path / "secret").write_text("root:x:0")
    (tmp_path / "c/Dockerfile").unlink()
    (tmp_path / "c/Dockerfile").symlink_to("../secret")
    with pytest.raises(InputError, match="leads out of the build context") as caught:
        read_context(tmp_path / "c")
    assert "root:x" not in str(caught.value)


def test_links_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "c", "d/f")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/secret").write_text("x")
    (tmp_path / "c/up").symlink_to("../out")
    (tmp_path / "c/loop").symlink_to(".")
    (tmp_path / "c/dangling").symlink_to("./no/../where")
    found = read_context(tmp_path / "c")
    links = {f.path: f.link_target for f in found.files if f.kind is EntryKind.SYMLINK}
    assert links == {"up": "../out", "loop": ".", "dangling": "./no/../where"}
    assert "up/secret" not in {f.path for f in found.files}


def test_ignore_file_that_is_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "c", "a")
    (tmp_path / "rules").write_text("a\n")
    (tmp_path / "c/.dockerignore").symlink_to("../rules")
    found = read_context(tmp_path / "c")
    assert found.rules is None
    assert found.skipped == (Skipped(where=".dockerignore", reason="not used as ignore file: it is a symbolic link"),)


def test_special_files_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a", "ignored/")
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "ignored/fifo")
    (tmp_path / ".dockerignore").write_text("ignored\n!ignored/none\n")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "s"))
        found = read_context(tmp_path)
    assert {(s.where, s.reason) for s in found.skipped} == {
        ("fifo", "a fifo, which is not sent"),
        ("s", "a socket, which is not sent"),
    }
    assert not {"fifo", "s"} & {f.path for f in found.files}


def test_names_of_any_bytes(tmp_path: Path) -> None:
    fill(tmp_path)
    names = [b"new\nline", b"bad\xff\xfe", "ünï".encode(), b" blank ", b"-dash", b"\x1b[31m", b"a\\b", b"x" * 255]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    found = read_context(tmp_path)
    assert sorted(os.fsencode(f.path) for f in found.files) == sorted([*names, b"Dockerfile"])
    assert [os.fsencode(f.path) for f in found.files] == sorted(os.fsencode(f.path) for f in found.files)


def test_modes(tmp_path: Path) -> None:
    fill(tmp_path, "run")
    (tmp_path / "run").chmod(0o4751)
    modes = {f.path: f.mode for f in read_context(tmp_path).files}
    assert modes["run"] == 0o4751
    assert stat.S_IFMT(modes["run"]) == 0


def test_very_deep_tree(tmp_path: Path) -> None:
    fill(tmp_path)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 200, dir_fd=here)
        there = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)
    found = read_context(tmp_path)
    assert [s.reason for s in found.skipped] == ["unreadable: File name too long"]
    assert len(found.files) > 15


def test_unreadable_files_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root, who can read everything.
    fill(tmp_path, "file", "other", "ignored")
    (tmp_path / ".dockerignore").write_text("ignored\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda path, _mode: os.fspath(path).endswith(("other", "Dockerfile", "ignore")))
    found = read_context(tmp_path)
    assert found.skipped == (Skipped(where="file", reason="unreadable: Permission denied"),)
    assert [f.path for f in found.files] == [".dockerignore", "Dockerfile", "other"]


def test_directories_that_vanish_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "gone/x", "a")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("gone"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert read_context(tmp_path).skipped == (Skipped(where="gone", reason="unreadable: Permission denied"),)


@pytest.mark.parametrize(
    ("paths", "message", "cause", "next_step"),
    [
        pytest.param(
            (),
            "there is no Dockerfile in {root}",
            "no file in {root} looks like a Dockerfile",
            "name it with -f",
            id="none",
        ),
        pytest.param(
            ("docker-compose.yml",),
            "there is no Dockerfile in {root}",
            "no file in {root} looks like a Dockerfile",
            "name it with -f; compose files need none: imgscan lint {root} checks them",
            id="compose-alone",
        ),
        pytest.param(
            ("backend/Dockerfile",),
            "there is no Dockerfile in {root}",
            "found backend/Dockerfile",
            "use -f, for instance -f {root}/backend/Dockerfile",
            id="one",
        ),
        pytest.param(
            (
                "a/b/prod.Dockerfile",
                "Dockerfile.dev",
                "node_modules/x/Dockerfile",
                "a/b/c/Dockerfile",
                "x/Dockerfile.dockerignore",
            ),
            "there is no Dockerfile in {root}",
            "found Dockerfile.dev, a/b/prod.Dockerfile",
            "use -f, for instance -f {root}/Dockerfile.dev",
            id="nearest-first",
        ),
        pytest.param(
            tuple(f"s{i}/Containerfile" for i in range(7)),
            "there is no Dockerfile in {root}",
            "found s0/Containerfile, s1/Containerfile, s2/Containerfile, s3/Containerfile, s4/Containerfile and 2 more",
            "use -f, for instance -f {root}/s0/Containerfile",
            id="many",
        ),
    ],
)
def test_no_dockerfile(tmp_path: Path, paths: tuple[str, ...], message: str, cause: str, next_step: str) -> None:
    fill(tmp_path, *paths, dockerfile=None)
    with pytest.raises(InputError) as caught:
        read_context(tmp_path)
    found = (caught.value.what, caught.value.cause, caught.value.next_step)
    assert found == tuple(text.format(root=tmp_path) for text in (message, cause, next_step))


@pytest.mark.parametrize(
    ("root", "message"),
    [
        pytest.param("none", "there is no directory {tmp}/none", id="missing"),
        pytest.param("Dockerfile", "{tmp}/Dockerfile is not a directory", id="a-file"),
        pytest.param("fifo", "{tmp}/fifo is not a directory", id="a-fifo"),
        pytest.param("x\0y", "the directory {tmp}/x\0y cannot be read: embedded null byte", id="nul"),
        pytest.param(
            "y" * 300, "the directory {tmp}/" + "y" * 300 + " cannot be read: File name too long", id="too-long"
        ),
        pytest.param("loop", "the directory {tmp}/loop cannot be read: Too many levels of symbolic links", id="loop"),
    ],
)
def test_no_context(tmp_path: Path, root: str, message: str) -> None:
    fill(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError) as caught:
        read_context(tmp_path / root)
    assert caught.value.what == message.format(tmp=tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "directory", "the Dockerfile {tmp}/directory cannot be read: it is not a regular file", id="directory"
        ),
        pytest.param("fifo", "the Dockerfile {tmp}/fifo cannot be read: it is not a regular file", id="fifo"),
        pytest.param("large", "the Dockerfile {tmp}/large cannot be read: it is larger than 16 MiB", id="large"),
        pytest.param("dangling", "there is no file {tmp}/dangling", id="dangling"),
        pytest.param("Dockerfile/x", "there is no file {tmp}/Dockerfile/x", id="below-a-file"),
    ],
)
def test_no_such_dockerfile(tmp_path: Path, name: str, message: str) -> None:
    fill(tmp_path, "directory/")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    with (tmp_path / "large").open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(InputError) as caught:
        read_context(tmp_path, tmp_path / name)
    assert caught.value.what == message.format(tmp=tmp_path)


def test_loop_as_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").symlink_to("Dockerfile")
    with pytest.raises(InputError, match="cannot be read"):
        read_context(tmp_path)


def test_invalid_ignore_file(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / ".dockerignore").write_text("ok\n[\n")
    with pytest.raises(InputError, match=r"^\.dockerignore:2: syntax error in pattern$"):
        read_context(tmp_path)


def test_classic_builder_takes_the_dockerfile_out_itself(tmp_path: Path) -> None:
    fill(tmp_path, "docker/Dock*file", "a")
    in_place = read_context(tmp_path)
    assert classic_context(in_place) == (in_place, {})
    (tmp_path / ".dockerignore").write_text("docker\n.dockerignore\n")
    ignored = read_context(tmp_path, tmp_path / "docker/Dock*file")
    changed, extra = classic_context(ignored)
    assert changed.dockerfile == "docker/Dock*file"
    assert extra == {".dockerignore": b"docker/Dock\\*file\n.dockerignore\n"}
    (tmp_path / ".dockerignore").write_text("docker\n")
    changed, extra = classic_context(read_context(tmp_path, tmp_path / "docker/Dock*file"))
    assert (changed.dockerfile, extra) == ("docker/Dock*file", {})
