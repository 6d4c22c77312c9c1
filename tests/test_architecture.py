"""The shape of the code: one direction, IO at the edge, modules and functions of a size one can read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "imgscan"
MODULES = sorted(PACKAGE.rglob("*.py"))
# The pipeline, in order: a stage imports from itself and from those before it.
PIPELINE = (
    "source",
    "layers",
    "dockerfile",
    "detect",
    "project",
    "build",
    "optimize",
    "verify",
    "risk",
    "report",
    "forge",
    "store",
    "explore",
    "fleet",
    "cli",
)
# Who may touch the world; everything else takes bytes and records and gives records.
EDGE = (
    "engine.py",
    "quickget.py",
    "unixadapter.py",
    "progress.py",
    "source/",
    "build/",
    "verify/",
    "cli/",
    "forge/",
    "store/",
    "fleet/",
)
BANNED = {"subprocess", "requests", "docker", "socket", "click", "http"}
# An archive of an image is itself a tar, read by layers/; layers are attributed to the Dockerfile's lines.
ALLOWED_BACKWARD = {("source", "layers"), ("layers", "dockerfile")}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_core_does_no_io(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not name(path).startswith(EDGE):
        banned = {module for module in imports(tree) if module.split(".")[0] in BANNED}
        assert not banned, f"{name(path)} imports {banned}"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_stages_import_forwards_only(path: Path) -> None:
    stage = name(path).split("/")[0]
    if stage not in PIPELINE:
        return
    used = {
        module.split(".")[1] for module in imports(ast.parse(path.read_text("utf-8"))) if module.startswith("imgscan.")
    }
    later = {other for other in used if other in PIPELINE and PIPELINE.index(other) > PIPELINE.index(stage)}
    assert {(stage, other) for other in later} <= ALLOWED_BACKWARD, f"{name(path)} imports from {later}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_size_and_docstrings(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{name(path)} has no docstring"
    assert text.count("\n") <= 400, f"{name(path)} is longer than 400 lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            body = [
                child
                for child in node.body
                if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))
            ]
            length = (node.end_lineno - body[0].lineno + 1) if body else 0
            assert length <= 40, f"{name(path)}: {node.name} has {length} lines"


def test_every_public_function_says_what_it_does() -> None:
    silent = [
        f"{name(path)}:{node.name}"
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_every_test_is_collected(pytestconfig: pytest.Config) -> None:
    """pytest goes into no folder with the name of a build's, unless it is told otherwise."""
    left_out = pytestconfig.getini("norecursedirs")
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    assert Path("tests/build") in folders
    assert [
        folder for folder in folders for part in folder.parts if any(fnmatch(part, name) for name in left_out)
    ] == []
