"""Every error that ends imgscan, one class per exit code, drawn as a tree.

    ImgscanError
    ├── InputError         2   usage, configuration, an unreadable or invalid input file
    ├── EngineError        3   engine, registry or network unavailable
    ├── BuildError         4   the image build failed
    ├── IncompleteError    5   the scan is incomplete and --strict was given
    ├── WorkerError       70   a process that does part of the work ended
    └── Interrupted      130   Ctrl-C (128 + SIGINT, as shells report it)

Exit 1 is not an error: it says that the findings, a budget or the risk register forbid the merge. Anything else that
escapes is a bug of imgscan's: exit 70 (EX_SOFTWARE of sysexits.h). Inside a scan a failure is data (`model.Skipped`).
`cli/main.py` is the only place that catches these and the only place that exits.
"""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_GO: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_INTERNAL: Final = 70


class ImgscanError(Exception):
    """An error for the user: `what` happened, the likely `cause`, and what to run `next_step`."""

    exit_code: ClassVar[int] = EXIT_INTERNAL

    def __init__(self, what: str, *, cause: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.next_step = next_step


class InputError(ImgscanError):
    """Usage, configuration, or an input file that cannot be read or makes no sense."""

    exit_code = 2


class EngineError(ImgscanError):
    """No engine, registry or network, or it went away."""

    exit_code = 3


class BuildError(ImgscanError):
    """The image build failed and nothing could be reported but that."""

    exit_code = 4


class IncompleteError(ImgscanError):
    """Something was skipped and the user asked for --strict."""

    exit_code = 5


class WorkerError(ImgscanError):
    """A process that does part of the work ended before its time."""

    exit_code = EXIT_INTERNAL


class Interrupted(ImgscanError):
    """The user pressed Ctrl-C."""

    exit_code = 130
