"""Random builds and a random change of each, for comparing what the cache model says with what engines do.

Every stage begins with a COPY of a file with a nonce, so that no step hits one of another pair.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

Change = Callable[[random.Random, "Project"], str]


@dataclass
class Node:
    """A file, a folder (content None) or a link of the context."""

    content: bytes | None = b""
    mode: int = 0o644
    link: str | None = None
    mtime: int = 1_700_000_000


@dataclass
class StageText:
    """A stage: what it is FROM, its name, its instructions; `paths` are there for COPY --from to take."""

    base: str
    name: str
    lines: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@dataclass
class Project:
    """A context with its Dockerfile. `features` is what the builder understands."""

    nonce: str
    features: frozenset[str]
    bases: tuple[str, ...]
    files: dict[str, Node] = field(default_factory=dict)
    head: list[str] = field(default_factory=list)
    stages: list[StageText] = field(default_factory=list)
    build_args: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    counter: int = 0

    def fresh(self) -> bytes:
        """Content that no other file has."""
        self.counter += 1
        return f"{self.nonce} {self.counter}\n".encode()

    def dockerfile(self) -> str:
        lines = list(self.head)
        for stage in self.stages:
            lines += [f"FROM {stage.base} AS {stage.name}", *stage.lines]
        return "\n".join(lines) + "\n"

    def write(self, root: Path) -> None:
        """The tree on disk; what was there is gone."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        (root / "Dockerfile").write_text(self.dockerfile())
        for path, node in sorted(self.files.items()):
            where = root / path
            where.parent.mkdir(parents=True, exist_ok=True)
            if node.link is not None:
                where.symlink_to(node.link)
            elif node.content is None:
                where.mkdir(exist_ok=True)
            else:
                where.write_bytes(node.content)
        for path, node in sorted(self.files.items(), reverse=True):
            if node.link is None:
                (root / path).chmod(node.mode)
                os.utime(root / path, (node.mtime, node.mtime))


def make_project(rng: random.Random, nonce: str, features: frozenset[str], bases: tuple[str, ...]) -> Project:
    """A context of a dozen files and a Dockerfile of one to three stages."""
    project = Project(nonce=nonce, features=features, bases=bases)
    for path in ("nonce", "a.txt", "b.txt", "c.md", "d/x", "d/y.txt", "d/s/z", "e/q.txt", "junk/log"):
        project.files[path] = Node(project.fresh(), rng.choice((0o644, 0o644, 0o755, 0o600)))
    for folder in ("d", "d/s", "e", "junk"):
        project.files[folder] = Node(None, 0o755)
    project.files["ln"] = Node(link="a.txt")
    project.files["d/ln"] = Node(link=rng.choice(("x", "s")))
    project.files["t.tar"] = Node(_archive(project.fresh()))
    project.files[".dockerignore"] = Node(rng.choice((b"junk\n", b"junk/*\n*.log\n", b"**/log\n!d\n")))
    if rng.random() < 0.5:
        project.head.append(f"ARG BASE={rng.choice(bases)}")
    if rng.random() < 0.3:
        project.head.append("ARG SHARED=one")
    for index in range(rng.choice((1, 2, 2, 3))):
        project.stages.append(_make_stage(rng, project, index))
    return project


def _make_stage(rng: random.Random, project: Project, index: int) -> StageText:
    choices = [rng.choice(project.bases)] * 3 + ["scratch"]
    choices += ["$BASE"] if project.head and project.head[0].startswith("ARG BASE") else []
    choices += [rng.choice(project.stages).name] * 2 if project.stages else []
    stage = StageText(base=rng.choice(choices), name=f"s{index}")
    parent = next((s for s in project.stages if s.name == stage.base), None)
    runs = _can_run(project, stage)
    if parent is not None:
        stage.paths += parent.paths
    stage.lines.append("COPY nonce /nonce")
    stage.paths.append("/nonce")
    for _ in range(rng.randint(2, 6)):
        stage.lines.append(rng.choices(_MAKERS, _WEIGHTS)[0](rng, project, stage, runs))
    return stage


def _can_run(project: Project, stage: StageText) -> bool:
    base = stage.base
    while any(s.name == base for s in project.stages):
        base = next(s.base for s in project.stages if s.name == base)
    return base != "scratch"


def _number(project: Project) -> int:
    project.counter += 1
    return project.counter


def _copy(rng: random.Random, project: Project, stage: StageText, runs: bool) -> str:
    n = _number(project)
    options = rng.choice(("", "", "", "--chown=1:2 ", "--chown=0:0 "))
    if "chmod" in project.features and rng.random() < 0.15:
        options += rng.choice(("--chmod=600 ", "--chmod=0755 "))
    if "link" in project.features and rng.random() < 0.3:
        options += "--link "
    if "exclude" in project.features and rng.random() < 0.15:
        options += rng.choice(("--exclude=*.txt ", "--exclude=s "))
    keyword = rng.choice(("COPY", "COPY", "COPY", "ADD"))
    what, where = rng.choice(
        (
            ("a.txt", f"/f{n}"),
            ("b.txt", f"/f{n}/"),
            ("c.md", f"/f{n}.md"),
            ("d/x", f"rel{n}"),
            ("a.txt b.txt", f"/g{n}/"),
            ("d", f"/h{n}"),
            ("d/", f"/h{n}/"),
            ("d/s e", f"/h{n}/"),
            (".", f"/all{n}"),
            ("./", f"all{n}/"),
            ("*.txt", f"/w{n}/"),
            ("d/*", f"/w{n}/"),
            ("[ab].txt", f"/w{n}/"),
            ("d*", f"/w{n}/"),
            ("ln", f"/l{n}"),
            ("d/ln", f"/l{n}/"),
            ("d/../a.txt", f"/f{n}"),
            ("t.tar", f"/t{n}/"),
            ("a.txt", f"/v-${{A}}-{n}"),
            ("e/q.txt", "."),
        )
    )
    if keyword == "COPY" and where.startswith("/") and "$" not in where:
        name = what.split()[0].rstrip("/").rsplit("/", 1)[-1]
        single = " " not in what and "*" not in what and "[" not in what and what not in (".", "d", "d/", "d/ln")
        stage.paths.append(where + name if single and where.endswith("/") else where.rstrip("/"))
    return f"{keyword} {options}{what} {where}"


def _copy_from(rng: random.Random, project: Project, stage: StageText, runs: bool) -> str:
    earlier = [s for s in project.stages if s.paths]
    if not earlier:
        return _copy(rng, project, stage, runs)
    n = _number(project)
    source = rng.choice(earlier)
    path = rng.choice(source.paths)
    name = rng.choice((source.name, str(project.stages.index(source))))
    link = "--link " if "link" in project.features and rng.random() < 0.3 else ""
    stage.paths.append(f"/k{n}")
    return f"COPY {link}--from={name} {path} /k{n}"


def _run(rng: random.Random, project: Project, stage: StageText, runs: bool) -> str:
    if not runs:
        return _copy(rng, project, stage, runs)
    n = _number(project)
    texts = [f"echo {n} > /tmp/r{n}", "true", f"  echo  {n} && \\\n  true", "echo $A$E"]
    text = rng.choice(texts)
    kinds = [f"RUN {text}", f"RUN {text}", f'RUN ["/bin/sh", "-c", "echo {n}"]', f"RUN --network=none {text}"]
    if "mount" in project.features:
        kinds[3:] = [
            f"RUN --network=none {text}",
            f"RUN --mount=type=bind,source=a.txt,target=/m{n} cat /m{n}",
            f"RUN --mount=type=bind,source=d,target=/m{n} ls /m{n}",
            f"RUN --mount=type=bind,target=/m{n},rw ls /m{n}",
            f"RUN --mount=type=cache,target=/c{n} true",
            f"RUN --mount=type=cache,target=/c{n},id={project.nonce} true",
            f"RUN --mount=type=tmpfs,target=/m{n} true",
        ]
        if project.stages:
            other = rng.choice(project.stages)
            kinds.append(f"RUN --mount=type=bind,from={other.name},source={rng.choice(other.paths)},target=/m{n} true")
    if "heredoc" in project.features:
        kinds += [f"RUN <<EOF\necho {n}\ntrue\nEOF", f"RUN cat <<EOF > /tmp/h{n}\nx $A\nEOF"]
    return rng.choice(kinds)


def _setting(rng: random.Random, project: Project, stage: StageText, runs: bool) -> str:
    n = _number(project)
    lines = [
        "ARG A",
        "ARG A=one",
        "ARG B=two",
        "ARG SHARED",
        "ENV E=one",
        f"ENV E=x F={n}",
        "ENV A=env",
        "ENV P $PATH:/x",
        "LABEL l=one",
        f"LABEL l={n} m=$A",
        f"WORKDIR /wd{n}",
        f"WORKDIR rel{n}",
        "WORKDIR /",
        "USER 1:1" if not runs else "USER 0",
        'CMD ["x"]',
        "EXPOSE 80",
        "VOLUME /vol",
        "STOPSIGNAL SIGTERM",
        f'SHELL ["/bin/sh", "-{rng.choice(("ec", "c"))}"]',
        "HEALTHCHECK NONE",
        f"ONBUILD COPY a.txt /onbuild{n}",
        "ONBUILD ENV O=1",
        "# a comment",
    ]
    if "heredoc" in project.features:
        lines.append(f"COPY <<EOF /doc{n}\ntext {n} $A\nEOF")
    return rng.choice(lines)


_MAKERS = (_copy, _copy_from, _run, _setting)
_WEIGHTS = (5, 2, 3, 5)


def _archive(content: bytes) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("inside")
        member.size = len(content)
        tar.addfile(member, BytesIO(content))
    return buffer.getvalue()


# What may change between two builds; each says what it did.


def _plain(project: Project) -> list[str]:
    return [p for p, n in project.files.items() if n.content is not None and n.link is None and p not in _FIXED]


_FIXED = frozenset({"nonce", ".dockerignore", "t.tar"})


def _content(rng: random.Random, project: Project) -> str:
    path = rng.choice(_plain(project))
    project.files[path].content = project.fresh()
    project.files[path].mtime += 5
    return f"content of {path}"


def _same_size(rng: random.Random, project: Project) -> str:
    path = rng.choice(_plain(project))
    content = project.files[path].content or b"x"
    project.files[path].content = content[:-1] + b"#"
    return f"content of {path}, same size and time"


def _archived(rng: random.Random, project: Project) -> str:
    project.files["t.tar"].content = _archive(project.fresh())
    return "content of t.tar"


def _mode(rng: random.Random, project: Project) -> str:
    path = rng.choice(_plain(project))
    project.files[path].mode ^= rng.choice((0o111, 0o040, 0o022))
    return f"mode of {path}"


def _folder_mode(rng: random.Random, project: Project) -> str:
    path = rng.choice([p for p, n in project.files.items() if n.content is None and n.link is None])
    project.files[path].mode ^= 0o050
    return f"mode of folder {path}"


def _rename(rng: random.Random, project: Project) -> str:
    path = rng.choice([p for p in _plain(project) if "/" in p])
    project.files[path + "2"] = project.files.pop(path)
    return f"rename {path}"


def _new_file(rng: random.Random, project: Project) -> str:
    path = rng.choice(("new.txt", "new", "d/new", "d/new.txt", "d/s/new", "e/new", "junk/new", "new.log", "e/f/g"))
    project.files[path] = Node(project.fresh())
    return f"new {path}"


def _new_folder(rng: random.Random, project: Project) -> str:
    path = rng.choice(("empty", "d/empty", "junk/empty", "dempty"))
    project.files[path] = Node(None, 0o755)
    return f"new folder {path}"


def _delete(rng: random.Random, project: Project) -> str:
    path = rng.choice([p for p in _plain(project) if p not in ("a.txt",)])
    del project.files[path]
    return f"delete {path}"


def _time(rng: random.Random, project: Project) -> str:
    path = rng.choice(list(project.files))
    project.files[path].mtime += 100
    return f"time of {path}"


def _link(rng: random.Random, project: Project) -> str:
    path = rng.choice(("ln", "d/ln"))
    project.files[path].link = "b.txt" if path == "ln" else rng.choice(("y.txt", "s/z"))
    return f"target of {path}"


def _swap(rng: random.Random, project: Project) -> str:
    one, two = rng.sample(_plain(project), 2)
    files = project.files
    files[one].content, files[two].content = files[two].content, files[one].content
    files[one].mtime, files[two].mtime = files[one].mtime + 7, files[two].mtime + 7
    return f"swap {one} and {two}"


def _to_link(rng: random.Random, project: Project) -> str:
    path = rng.choice([p for p in _plain(project) if p != "b.txt"])
    project.files[path] = Node(link="../b.txt" if "/" in path else "b.txt")
    return f"{path} becomes a link"


def _argument(rng: random.Random, project: Project) -> str:
    name = rng.choice(("A", "A", "B", "SHARED", "UNUSED", "HTTP_PROXY"))
    project.build_args[name] = rng.choice(("two", "three", "four"))
    return f"argument {name}"


def _base_argument(rng: random.Random, project: Project) -> str:
    project.build_args["BASE"] = rng.choice(project.bases)
    return "argument BASE"


def _ignore(rng: random.Random, project: Project) -> str:
    node = project.files[".dockerignore"]
    node.content = (node.content or b"") + rng.choice((b"# x\n", b"c.md\n", b"e\n", b"d/s\n", b"!junk/log\n"))
    node.mtime += 5
    return f"ignore file {node.content!r}"


def _comment(rng: random.Random, project: Project) -> str:
    stage = rng.choice(project.stages)
    stage.lines.insert(rng.randrange(len(stage.lines) + 1), "# a remark")
    return "comment in the Dockerfile"


def _edit(rng: random.Random, project: Project) -> str:
    stage = rng.choice(project.stages)
    at = rng.randrange(1, len(stage.lines))
    line = stage.lines[at]
    edits: dict[str, Callable[[], str]] = {
        "ARG": lambda: line.split("=")[0] + "=other",
        "ENV": lambda: line.replace("=", "=o", 1),
        "LABEL": lambda: line + " n=1",
        "RUN": lambda: line.replace("true", "echo other").replace("echo", "echo other", 1),
        "COPY": lambda: rng.choice((line.replace("COPY ", "COPY  "), line.replace("--chown=1:2", "--chown=1:3"), line)),
        "WORKDIR": lambda: line + "o",
        "CMD": lambda: 'CMD ["y"]',
        "EXPOSE": lambda: "EXPOSE 81",
    }
    stage.lines[at] = edits.get(line.split()[0], lambda: line)()
    return f"edit {line!r} to {stage.lines[at]!r}"


def _case(rng: random.Random, project: Project) -> str:
    stage = rng.choice(project.stages)
    at = rng.randrange(len(stage.lines))
    keyword, _, rest = stage.lines[at].partition(" ")
    stage.lines[at] = f"{keyword.lower()}  {rest}"
    return f"case of {stage.lines[at]!r}"


def _insert(rng: random.Random, project: Project) -> str:
    stage = project.stages[-1]
    at = rng.randrange(1, len(stage.lines) + 1)
    line = rng.choices(_MAKERS, _WEIGHTS)[0](rng, project, _before(project, stage), _can_run(project, stage))
    stage.lines.insert(at, line)
    return f"insert {line!r}"


def _before(project: Project, stage: StageText) -> StageText:
    """The stage as the last one sees those above it: it may not copy from itself."""
    return StageText(base=stage.base, name=stage.name, paths=list(stage.paths))


def _remove(rng: random.Random, project: Project) -> str:
    stage = rng.choice(project.stages)
    at = rng.randrange(1, len(stage.lines))
    return f"remove {stage.lines.pop(at)!r}"


def _exchange(rng: random.Random, project: Project) -> str:
    stage = rng.choice(project.stages)
    if len(stage.lines) < 3:
        return _remove(rng, project)
    at = rng.randrange(1, len(stage.lines) - 1)
    stage.lines[at], stage.lines[at + 1] = stage.lines[at + 1], stage.lines[at]
    return f"exchange {stage.lines[at]!r} and {stage.lines[at + 1]!r}"


def _base(rng: random.Random, project: Project) -> str:
    stage = rng.choice([s for s in project.stages if s.base in project.bases] or project.stages)
    if stage.base in project.bases:
        stage.base = rng.choice([base for base in project.bases if base != stage.base])
    return f"base of {stage.name}: {stage.base}"


def _rename_stage(rng: random.Random, project: Project) -> str:
    stage = project.stages[-1]
    stage.name = "renamed"
    return "name of the last stage"


def _target(rng: random.Random, project: Project) -> str:
    project.target = project.stages[0].name
    return "target"


def _nothing(rng: random.Random, project: Project) -> str:
    return "nothing"


CHANGES: tuple[Change, ...] = (
    *(_content, _content, _content, _same_size, _archived, _mode, _folder_mode, _rename, _new_file, _new_file),
    *(_new_folder, _delete, _time, _link, _swap, _to_link, _argument, _argument, _base_argument, _ignore, _comment),
    *(_edit, _edit, _edit, _case, _insert, _insert, _remove, _exchange, _base, _rename_stage, _target, _nothing),
)


def change_project(rng: random.Random, project: Project) -> tuple[Project, str]:
    """The project after one or two changes, and what they were."""
    changed = copy.deepcopy(project)
    return changed, ", ".join(rng.choice(CHANGES)(rng, changed) for _ in range(rng.choice((1, 1, 2))))
