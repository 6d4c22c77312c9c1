"""The samples as `imgscan build-report` judges them: each is built once in a test run, whoever asks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imgscan.engine import Engine

SAMPLES = Path(__file__).parent.parent / "sample_images"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))


def own_tags() -> set[str]:
    """Tags of imgscan's own builds in the engine: none of a run that is over, unless its engine was taken away."""
    own = re.compile(r"imgscan-[0-9a-f]{12}:")
    with Engine.connect() as engine:
        tags = [tag for image in engine.api.images() for tag in image.get("RepoTags") or ()]
    return {tag for tag in tags if own.match(tag)}


class Run:
    """One run of `imgscan build-report` on a sample: exit code, report, everything it wrote."""

    def __init__(self, name: str) -> None:
        self.expected = json.loads((SAMPLES / name / "expected.json").read_text(encoding="utf-8"))
        with TemporaryDirectory() as folder:
            json_path, md_path = Path(folder, "r.json"), Path(folder, "r.md")
            command = [sys.executable, "-m", "imgscan", "build-report", f"sample_images/{name}", "--repeats", "1", "-v"]
            command += ["--format", "table", "--format", f"json={json_path}", "--format", f"markdown={md_path}"]
            cache_home = Path(folder, "cache")
            # Without a history the file to touch is chosen by name: this project's own says nothing of how the samples
            # are edited.
            env = {**os.environ, "XDG_CACHE_HOME": str(cache_home), "GIT_DIR": "/nonexistent"}
            before = own_tags()
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=SAMPLES.parent)
            self.left = own_tags() - before
            self.code = done.returncode
            assert json_path.exists(), f"{name}: exit {done.returncode}, no report: {done.stderr[-2000:]}"
            self.written = [done.stdout, done.stderr, json_path.read_text("utf-8"), md_path.read_text("utf-8")]
            self.written += [path.read_text("latin-1") for path in cache_home.rglob("*") if path.is_file()]
        self.report: dict[str, Any] = json.loads(self.written[2])

    def scenario(self, name: str) -> dict[str, Any]:
        return next(item for item in self.report["build"]["scenarios"] if item["name"] == name)

    def layer_line(self, index: int | None) -> int | None:
        if index is None:
            return None
        line = self.report["image"]["layers"][index]["dockerfile"]
        return line["line"] if line else None


@cache
def run(name: str) -> Run:
    return Run(name)
