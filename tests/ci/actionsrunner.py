"""What GitHub's runner does with the `run` steps of a workflow or a composite action, as far as those here need it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_WORD = re.compile(
    r"'[^']*'|(?:github|inputs|steps|runner)(?:\.[\w-]+)+|success\(\)|cancelled\(\)|==|!=|&&|\|\||!|\(|\)"
)
_PLAIN = {"&&": "and", "||": "or", "!": "not", "success()": "True", "cancelled()": "False"}


@dataclass
class ActionsRunner:
    """A job in a folder. `contexts` are what expressions see: github, inputs, steps. `programs` stand before those of
    the machine: shell scripts by name."""

    folder: Path
    contexts: dict[str, Any]
    programs: Mapping[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    said: str = ""

    def __post_init__(self) -> None:
        for name in ("bin", "temp", "work"):
            (self.folder / name).mkdir(exist_ok=True)
        for name in ("output", "summary"):
            (self.folder / name).touch()
        for name, script in self.programs.items():
            program = self.folder / "bin" / name
            program.write_text(f"#!/bin/bash\nset -eu\n{script}\n")
            program.chmod(0o755)
        self.contexts.setdefault("steps", {})

    @property
    def summary(self) -> str:
        """The job's summary."""
        return (self.folder / "summary").read_text(encoding="utf-8")

    def job(self, path: Path, overrides: Mapping[str, str]) -> int:
        """The only job of a workflow; the action of this project is run with `overrides` over its inputs."""
        (found,) = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        return self.steps(found["steps"], overrides)

    def steps(self, steps: list[dict[str, Any]], overrides: Mapping[str, str]) -> int:
        """Run steps in order: the exit code of the first that failed. What `uses` something else is noted."""
        failed = 0
        for step in steps:
            condition = str(step.get("if", "success()"))
            always = "cancelled()" in condition or "always()" in condition
            if (failed and not always) or not self.holds(condition):
                continue
            given = {key: self.filled(str(value)) for key, value in step.get("with", {}).items()}
            if "run" in step:
                code = self.run(step)
            elif step["uses"].startswith("OWNER/imgscan@"):
                code = self.action({**given, **overrides}, step.get("id"))
            else:
                self.used.append((step["uses"].partition("@")[0], given))
                code = 0
            self.codes[step.get("name", step.get("uses", ""))] = code
            failed = failed or (0 if step.get("continue-on-error") else code)
        return failed

    def action(self, given: Mapping[str, str], step_id: str | None) -> int:
        """This project's composite action."""
        found = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
        unknown = given.keys() - found["inputs"].keys()
        assert not unknown, unknown
        inner = ActionsRunner(
            folder=self.folder,
            contexts={
                "github": self.contexts["github"],
                "inputs": {name: given.get(name, spec["default"]) for name, spec in found["inputs"].items()},
            },
            programs=self.programs,
            env={**self.env, "GITHUB_ACTION_PATH": str(ROOT)},
        )
        code = inner.steps(found["runs"]["steps"], {})
        self.said += inner.said
        self.used += inner.used
        self.codes |= inner.codes
        if step_id:
            outputs = {name: inner.filled(spec["value"]) for name, spec in found["outputs"].items()}
            self.contexts["steps"][step_id] = {"outputs": outputs}
        return code

    def run(self, step: Mapping[str, Any]) -> int:
        """One `run` step, by `bash` as the runner calls it."""
        output = self.folder / "output"
        output.write_text("")
        kept = {name: os.environ[name] for name in os.environ if name in ("HOME", "LANG") or name.startswith("PIP_")}
        env = {
            **kept,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_ACTIONS": "true",
            **self.env,
            **{name: self.filled(str(value)) for name, value in step.get("env", {}).items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env=env, cwd=self.folder / "work", capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        self.said += done.stdout + done.stderr
        if "id" in step:
            lines = [line.split("=", 1) for line in output.read_text().splitlines()]
            self.contexts["steps"][step["id"]] = {"outputs": dict(lines)}
        return done.returncode

    def holds(self, condition: str) -> bool:
        """Whether an `if` is met."""
        text = _EXPRESSION.sub(lambda match: match[1], condition)
        words = [word if word[0] == "'" else _PLAIN.get(word) or self.word(word) for word in _WORD.findall(text)]
        return bool(eval(" ".join(words), {"__builtins__": {}}))

    def word(self, word: str) -> str:
        """An operator, or the value of a name as a literal."""
        return repr(self.value(word)) if word[0].isalpha() else word

    def filled(self, text: str) -> str:
        """A text with its expressions replaced."""
        return _EXPRESSION.sub(lambda match: self.value(match[1]), text)

    def value(self, name: str) -> str:
        """The value of a name, empty where there is none."""
        found: Any = self.contexts
        for part in name.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return str(found)
