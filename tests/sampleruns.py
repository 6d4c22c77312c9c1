"""The samples as `imgscan build-report` judges them: each is built once in a test run, whoever asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SAMPLES = Path(__file__).parent.parent / "sample_images"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))


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
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=SAMPLES.parent)
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
