"""What a fresh checkout lacks, made in the copy: the file of variables from its example, secrets with random values.

In: a copy and the compose project's place in it. Out: the file of variables to use, the files that were made.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from imgscan.frozen import frozen
from imgscan.project.compose.records import ComposeProject
from imgscan.verify.projectcopy import inside

_ENDINGS: Final = (".example", ".sample", ".template", ".dist", ".default")


@frozen
class Prepared:
    """A copy that is ready to be used: its folder, the folder of the compose project, its files (whole paths), the
    variables' file (None: there is none), and which files came from an example."""

    copy: Path
    directory: Path
    files: tuple[str, ...]
    env_file: Path | None
    from_examples: tuple[str, ...]


def prepare(copy: Path, project: ComposeProject) -> Prepared:
    """Fill in what the set-up's own instructions would: every `<name>.example` beside no `<name>`, and the file of
    variables. The example is preferred to a real `.env`: what that names may be real, too."""
    made = tuple(_fill(copy))
    directory = copy / project.directory
    told = [copy / project.env_file] if project.env_file else []
    candidates = (*told, directory / ".env", copy / ".env")
    return Prepared(
        copy=copy,
        directory=directory,
        files=tuple(str(copy / file) for file in project.files),
        env_file=next((file for file in candidates if file.is_file()), None),
        from_examples=made,
    )


def _fill(copy: Path) -> Iterator[str]:
    for ending in _ENDINGS:
        for example in sorted(copy.rglob(f".env*{ending}")):
            target = example.with_name(example.name.removesuffix(ending))
            if (
                example.is_file()
                and not example.is_symlink()
                and not target.is_symlink()
                and target.name != example.name
            ):
                shutil.copyfile(example, target)
                yield target.relative_to(copy).as_posix()


def make_secret_files(config: Mapping[str, Any], copy: Path, work: Path) -> dict[str, str]:
    """A file of random text for every secret of a compose document that has none: those whose file is missing are made
    where it belongs (so that the project's scripts find it), others in `work`. Out: file by secret."""
    made: dict[str, str] = {}
    for name, item in (config.get("secrets") or {}).items():
        written = str((item or {}).get("file") or "")
        place = inside(copy, written) if written else None
        if place is not None and place.is_file():
            continue
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = place
        else:
            file = work / f"secret-{len(made)}"
        file.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
        # The user inside the container must be able to read it; the folder keeps others out.
        file.chmod(0o644)
        made[str(name)] = str(file)
    return made
