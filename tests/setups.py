"""Container set-ups for tests: files from a table, read back the way imgscan reads a user's project."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from imgscan.project.setup import Setup, read_setup


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """Write the files, dedented; a shell script (`.sh`) may be executed."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(textwrap.dedent(content).removeprefix("\n"))
        file.chmod(0o755 if name.endswith(".sh") else 0o644)
    return root


def setup_of(
    files: Mapping[str, str],
    root: Path | None = None,
    *,
    compose_files: Sequence[str] = (),
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
) -> Setup:
    """The set-up of a project of these files, written to `root` (default: a folder of its own, gone afterwards; every
    text that is read later has been read by then)."""
    if root is not None:
        write_files(root, files)
        return read_setup(root, compose_files=compose_files, profiles=profiles, env_files=env_files)
    with tempfile.TemporaryDirectory() as folder:
        made = write_files(Path(folder) / "project", files)
        setup = read_setup(made, compose_files=compose_files, profiles=profiles, env_files=env_files)
        for path in setup.tree.files:
            setup.tree.text(path)
        return setup
