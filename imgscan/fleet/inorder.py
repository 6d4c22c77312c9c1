"""Work of several threads at once, its results in the order of what was given."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def in_order(pool: Executor, work: Callable[[T], U], items: Iterable[T], ahead: int) -> Iterator[U]:
    """The results of all items in their order, up to `ahead` under way. What is not begun when it ends never is."""
    source = iter(items)
    running: deque[Future[U]] = deque(pool.submit(work, item) for item in itertools.islice(source, ahead))
    try:
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(work, item) for item in itertools.islice(source, 1))
    finally:
        for future in running:
            future.cancel()
