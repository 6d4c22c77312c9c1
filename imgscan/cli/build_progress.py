"""Progress of builds in words: which scenario, which step, how long the rest will take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imgscan.lazyre import lazy_re
from imgscan.progress import Progress
from imgscan.units import human_seconds

_NUMBER: Final = lazy_re(r",? \d+/\d+$")

if TYPE_CHECKING:
    from imgscan.build.estimate import Progress as BuildEvent
    from imgscan.build.measure import Measured


class BuildProgress:
    """Shows a measurement's events."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def show(self, event: BuildEvent) -> None:
        """A build began, or one of its steps moved."""
        build = {
            "cold": "cold build",
            "build": "build",
            "noop": "rebuild, nothing changed",
            "rerun-all": "every RUN again",
        }.get(event.scenario, f"rebuild, {event.scenario} {event.repeat}/{event.repeats}")
        left = "" if event.seconds_left is None else f", about {human_seconds(event.seconds_left)} left"
        if event.step is None:
            self._progress.phase(f"{build}{left}", event.scenario)
            return
        count = f"{event.steps_done}/{event.steps_total}" if event.steps_total else f"{event.steps_done}"
        self._progress.update(f"{build}: step {count} {event.state}{left}: {event.step}")

    def tell(self, text: str) -> None:
        """A build of a proof began; `text` ends in its number of how many, where it is one of several."""
        self._progress.phase(text, _NUMBER.sub("", text))

    def finish(self, measured: Measured) -> None:
        """All builds are over."""
        if measured.cold.failure is not None:
            self._progress.stage("the build failed")
        else:
            self._progress.stage(f"built; {len(measured.timings)} scenarios measured; now reading the image")
