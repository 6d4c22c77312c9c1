"""Progress on stderr: one line that is rewritten on a terminal, plain lines with --verbose, nothing otherwise."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from imgscan.escape import plain, shorten

_REDRAW_S: Final = 0.1


class Progress:
    """Says what is going on. `update` may be called as often as one likes; it draws ten times a second at most."""

    def __init__(self, stream: TextIO, *, live: bool, lines: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._live = live
        self._lines = lines
        self._clock = clock
        self._started = clock()
        self._drawn = float("-inf")
        self._dirty = False

    def stage(self, text: str) -> None:
        """A new stage begins."""
        if self._lines:
            self._write(f"[{self._clock() - self._started:6.1f} s] {plain(text)}\n")
        elif self._live:
            self._draw(text)

    def update(self, text: str) -> None:
        """The stage goes on; `text` replaces what was shown."""
        if self._live and not self._lines and self._clock() - self._drawn >= _REDRAW_S:
            self._draw(text)

    def note(self, text: str) -> None:
        """Something the user should know whether or not progress is shown."""
        self.clear()
        self._write(f"imgscan: {plain(text)}\n")

    def clear(self) -> None:
        """Remove the live line, before anything else is written."""
        if self._dirty:
            self._write("\r\x1b[K")
            self._dirty = False

    def _draw(self, text: str) -> None:
        width = shutil.get_terminal_size((80, 24)).columns - 1
        self._write(f"\r\x1b[K{shorten(plain(text), width)}")
        self._drawn = self._clock()
        self._dirty = True

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # A closed stderr must not end the scan.
            self._live = self._lines = False


def silent() -> Progress:
    """Progress that says nothing but notes."""
    return Progress(sys.stderr, live=False, lines=False)
