"""Plans for small projects: a Dockerfile and files in, what imgscan would change out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from projects import make_project

from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.optimize.records import Inputs, Kind, Plan
from imgscan.optimize.suggest import DEFAULT_KINDS, suggest


def inputs_of(root: Path, *, builder: str = "buildkit", build_args: Mapping[str, str] | None = None) -> Inputs:
    """The inputs of a project on disk."""
    context = read_context(root, root / "Dockerfile")
    ignore = root / ".dockerignore"
    return Inputs(
        dockerfile=parse(context.dockerfile_text, "Dockerfile"),
        context=context,
        target=None,
        build_args=build_args or {},
        builder=builder,
        ignore_file=".dockerignore",
        ignore_text=ignore.read_bytes().decode() if ignore.exists() else None,
    )


def plan_of(
    root: Path,
    dockerfile: str,
    files: Mapping[str, str | int],
    kinds: Collection[Kind] = DEFAULT_KINDS,
    **how: str,
) -> Plan:
    """The plan for a Dockerfile and files of the context."""
    make_project(root, dockerfile, files)
    return suggest(inputs_of(root, builder=how.get("builder", "buildkit")), kinds)


def reasons(plan: Plan) -> str:
    """Why changes were not made, in one text."""
    return "\n".join(f"{refusal.what}: {refusal.reason}" for refusal in plan.refusals)
