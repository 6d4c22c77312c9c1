"""Where reports go: checked before the work begins, written atomically after it, and the exit code they end in."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from imgscan.cli.options import Output, use_color
from imgscan.errors import EXIT_FINDINGS, EXIT_GO, BuildError, EngineError, IncompleteError, InputError
from imgscan.model import Report, Verdict
from imgscan.report import Style, render

_OPEN_ALREADY: Final = ("/dev/stdout", "/dev/stderr", "/dev/fd", "/proc")
"""Below these lie links to what a process has open."""


def plan_outputs(formats: Sequence[Output], *, quiet: bool) -> tuple[Output, ...]:
    """The outputs to write: those asked for, and the table on stdout if nothing else goes there.

    Raises InputError if two would mix on stdout, two would write one file, or a folder does not exist.
    """
    outputs = list(formats)
    on_stdout = [output.name for output in outputs if output.path is None]
    if len(on_stdout) > 1:
        raise InputError(
            f"--format {' and '.join(on_stdout)} would mix on stdout", next_step="give all but one a file: NAME=PATH"
        )
    files = [output.path for output in outputs if output.path is not None]
    for path in files:
        if files.count(path) > 1:
            raise InputError(f"two formats would both write {path}")
        if path.is_dir():
            raise InputError(f"cannot write the report to {path}: it is a folder")
        if _is_written_in_place(path):
            continue
        parent = path.absolute().parent
        if not parent.is_dir():
            raise InputError(f"cannot write the report to {path}: there is no folder {parent}")
        if not os.access(parent, os.W_OK):
            raise InputError(f"cannot write the report to {path}: the folder is not writable")
    if not on_stdout and not quiet:
        outputs.insert(0, Output(name="table", path=None))
    return tuple(outputs)


def write_reports(report: Report, outputs: Sequence[Output], params: dict[str, Any]) -> None:
    """Write every output. Files appear whole or not at all."""
    width = shutil.get_terminal_size((120, 24)).columns
    style = Style(color=use_color(params["color"]), width=width, verbose=params["verbose"])
    for output in outputs:
        if output.path is None:
            click.echo(render(report, output.name, style), nl=False, color=True)
        else:
            write_atomically(output.path, render(report, output.name, Style(verbose=True)))
    sys.stdout.flush()


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write to `path`, text as UTF-8, by renaming a finished temporary file of the same folder, with the mode that the
    file has or that new files get; what is no file, as /dev/null or /dev/stdout, is written to and stays what it is.
    Raises InputError."""
    whole = data.encode("utf-8") if isinstance(data, str) else data
    try:
        if _is_written_in_place(path):
            path.write_bytes(whole)
        else:
            _replace(path, whole)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(_mode_of(path))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _mode_of(path: Path) -> int:
    with suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return stat.S_IMODE(mode)
    return 0o666 & ~_umask()


def _is_written_in_place(path: Path) -> bool:
    """Whether there is a device or a pipe, or one of the system's links to what this process has open. Of links
    elsewhere the name is taken: where they lead is the choice of whoever made the folder, which may be what is scanned,
    or one that anybody may write to (/dev/shm)."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    of_the_system = any(path.absolute().is_relative_to(name) for name in _OPEN_ALREADY)
    return of_the_system or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def exit_code(report: Report, *, exit_zero: bool, strict: bool) -> int:
    """The code of design: 3 or 4 before 1 before 5 before 0."""
    if report.build is not None and report.build.failure is not None:
        return EngineError.exit_code if report.build.failure.unreachable else BuildError.exit_code
    if exit_zero:
        return EXIT_GO
    if report.verdict is Verdict.NO_GO:
        return EXIT_FINDINGS
    return IncompleteError.exit_code if strict and not report.complete else EXIT_GO


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
