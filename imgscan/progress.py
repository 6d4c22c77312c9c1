"""Progress on stderr: one line that is rewritten on a terminal, plain lines with --verbose; otherwise, in a log, only a
line for each phase of long work and a sign of life now and then, since CI ends jobs that say nothing."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

from imgscan.escape import plain, shorten

_REDRAW_S: Final = 0.1
BEAT_S: Final = 30.0
"""A log gets a line at most this often, but for the first one of each phase."""


class Progress:
    """Says what is going on. `update` may be called as often as one likes; it draws ten times a second at most.

    `beats`: the stream is a log. A phase is work that takes long without a word, such as a build: from its beginning
    until the next stage a thread says every `beat_s` seconds that it goes on.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        live: bool,
        lines: bool,
        beats: bool = False,
        beat_s: float = BEAT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._live = live
        self._lines = lines
        self._beats = beats and not live and not lines
        self._beat_s = beat_s
        self._clock = clock
        self._spoken = clock()
        self._now = ""
        self._phases: set[str] = set()
        self._over: threading.Event | None = None
        self._started = clock()
        self._drawn = float("-inf")
        self._dirty = False

    def stage(self, text: str) -> None:
        """A new stage begins."""
        self._end_phase()
        if self._lines:
            self._line(text)
        elif self._live:
            self._draw(text)
        else:
            self._beat(text)

    def phase(self, text: str, name: str = "") -> None:
        """A stage of long work begins. In a log the first of each `name` has its line: a round of five is told once."""
        self.stage(text)
        if not self._beats:
            return
        name = name or text
        if name not in self._phases:
            self._phases.add(name)
            self._line(text)
        self._over = threading.Event()
        threading.Thread(target=self._go_on, args=(self._over,), daemon=True).start()

    def update(self, text: str) -> None:
        """The stage goes on; `text` replaces what was shown."""
        if self._live and not self._lines and self._clock() - self._drawn >= _REDRAW_S:
            self._draw(text)
        self._beat(text)

    def note(self, text: str) -> None:
        """Something the user should know whether or not progress is shown."""
        self.clear()
        self._write(f"imgscan: {plain(text)}\n")

    def clear(self) -> None:
        """Remove the live line, before anything else is written; a phase is over."""
        self._end_phase()
        if self._dirty:
            self._write("\r\x1b[K")
            self._dirty = False

    def _beat(self, text: str) -> None:
        """What goes on now; said if nothing was for long."""
        self._now = text
        if self._beats and self._clock() - self._spoken >= self._beat_s:
            self._line(text)

    def _go_on(self, over: threading.Event) -> None:
        while not over.wait(self._beat_s / 4):
            self._beat(self._now)

    def _end_phase(self) -> None:
        if self._over is not None:
            self._over.set()
            self._over = None

    def _line(self, text: str) -> None:
        self._spoken = self._clock()
        self._write(f"[{self._spoken - self._started:6.1f} s] {plain(text)}\n")

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
            self._live = self._lines = self._beats = False


def silent() -> Progress:
    """Progress that says nothing but notes."""
    return Progress(sys.stderr, live=False, lines=False)
