"""What may be asked of one registry: tasks as they are planned -> the next one that its registry admits.

A registry that has all it may get holds up nobody but itself: tasks of others go first. Bandwidth is shared out as
tasks are sent, so that what all of them may read together never goes beyond the limit, on however many machines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from imgscan.fleets import LayerTask
from imgscan.frozen import frozen

MOST_AHEAD: Final = 4096
"""So many tasks are looked at for one that is admitted: a few megabytes."""


@frozen
class Limits:
    """Of one registry host: `connections` is how many tasks may read from it at once, `bytes_per_s` what all of them
    together may read in a second (0: anything)."""

    connections: int = 4
    bytes_per_s: int = 0

    def __post_init__(self) -> None:
        if self.connections < 1 or self.bytes_per_s < 0:
            raise ValueError("a registry that nothing may be asked of cannot be read")


@dataclass(slots=True)
class _Host:
    """A registry: its tasks that wait, by number, and what those that were sent are granted."""

    waiting: deque[tuple[int, LayerTask]] = field(default_factory=deque)
    sent: int = 0
    granted: int = 0
    given_up: bool = False


class Unsent:
    """Tasks that are not sent yet, in the order they come as far as their hosts admit them."""

    def __init__(self, tasks: Iterable[LayerTask], limits: Limits, *, most_ahead: int = MOST_AHEAD) -> None:
        self._tasks = iter(tasks)
        self._limits = limits
        self._most_ahead = most_ahead
        self._hosts: dict[str, _Host] = {}
        self._number = 0
        self._ahead = 0
        self._exhausted = False
        self._refused: deque[LayerTask] = deque()

    def take(self, at_once: int) -> tuple[LayerTask, int] | None:
        """The next task that may be sent, and its share of the bandwidth; None if there is none now. `at_once` is how
        many tasks run at once at most, of all hosts."""
        while True:
            found = self._first_admitted(at_once)
            if found is not None:
                break
            if not self._pull():
                return None
        share = self._share(found, at_once)
        _, task = self._hosts[found].waiting.popleft()
        self._ahead -= 1
        self._grant(task, share)
        return task, share

    def admit_again(self, task: LayerTask, at_once: int) -> int | None:
        """The share of a task that is under way already, if it may be sent a second time."""
        if self._hosts[task.host].given_up or not self._admits(task.host, at_once):
            return None
        share = self._share(task.host, at_once)
        self._grant(task, share)
        return share

    def give_back(self, task: LayerTask, share: int) -> None:
        """A task that was sent reads no more."""
        if task.host:
            host = self._hosts[task.host]
            host.sent -= 1
            host.granted -= share

    def put_first(self, task: LayerTask) -> None:
        """A task has to be sent once more."""
        queue = self._queue(task)
        if self._hosts[task.host].given_up:
            self._refused.append(task)
        else:
            queue.appendleft((-1, task))
            self._ahead += 1

    def give_up(self, host: str) -> None:
        """Send no more tasks of a host; `refused` gives them."""
        known = self._hosts[host]
        known.given_up = True
        self._refused.extend(task for _, task in known.waiting)
        self._ahead -= len(known.waiting)
        known.waiting.clear()

    @property
    def has_refused(self) -> bool:
        """Whether `refused` has any."""
        return bool(self._refused)

    def refused(self) -> Iterator[LayerTask]:
        """Tasks of hosts that were given up, as far as they are known; each once."""
        while self._refused:
            yield self._refused.popleft()

    def _grant(self, task: LayerTask, share: int) -> None:
        if task.host:
            host = self._hosts[task.host]
            host.sent += 1
            host.granted += share

    def _first_admitted(self, at_once: int) -> str | None:
        admitted = [name for name, host in self._hosts.items() if host.waiting and self._admits(name, at_once)]
        return min(admitted, key=lambda name: self._hosts[name].waiting[0][0], default=None)

    def _admits(self, name: str, at_once: int) -> bool:
        host, limits = self._hosts[name], self._limits
        if not name or not host.sent:
            return True
        if not limits.bytes_per_s:
            return host.sent < limits.connections
        # More than run at once would only hold shares that nobody uses; and a crumb of a share is not worth a start.
        room = min(limits.connections, at_once)
        return host.sent < room and (limits.bytes_per_s - host.granted) * 2 * room >= limits.bytes_per_s

    def _share(self, name: str, at_once: int) -> int:
        """What is not granted yet, divided among those that may be sent now."""
        if not name or not self._limits.bytes_per_s:
            return 0
        host, room = self._hosts[name], min(self._limits.connections, at_once)
        while len(host.waiting) < room and self._pull():
            pass
        sharers = max(1, min(room - host.sent, len(host.waiting)))
        return max(1, (self._limits.bytes_per_s - host.granted) // sharers)

    def _pull(self) -> bool:
        """Look at one more task; False if there is none, or too many are looked at already."""
        if self._exhausted or self._ahead >= self._most_ahead or self._refused:
            return False
        task = next(self._tasks, None)
        if task is None:
            self._exhausted = True
            return False
        queue = self._queue(task)
        if self._hosts[task.host].given_up:
            self._refused.append(task)
        else:
            queue.append((self._number, task))
            self._ahead += 1
        self._number += 1
        return True

    def _queue(self, task: LayerTask) -> deque[tuple[int, LayerTask]]:
        return self._hosts.setdefault(task.host, _Host()).waiting


def with_share(task: LayerTask, share: int) -> LayerTask:
    """The task as it is sent."""
    return msgspec.structs.replace(task, bytes_per_s=share) if share else task
