"""One task in a worker: what is to be done -> outcomes, or in words why there are none.

Nothing is raised to whoever sent the task: an exception would travel with its values and its traceback, through
schedulers and into their logs, and nobody knows what stands in them.
"""

from __future__ import annotations

import io
import pickle
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from imgscan import __version__
from imgscan.errors import ImgscanError
from imgscan.escape import plain, shorten
from imgscan.fleets import LayerOutcome, LayerTask
from imgscan.source.backoff import TransientError

Work = Callable[[LayerTask], Sequence[LayerOutcome]]
"""Reads the layers of a task: a function of a module, so that it can be found again in another process."""
_MOST_WORDS: Final = 1_000
_RULES_CHARS: Final = 12


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be the same wherever a fleet's layers are read. `rules` is a digest of them."""

    imgscan: str
    rules: str
    python: str

    def __str__(self) -> str:
        return f"imgscan {self.imgscan}, rules {self.rules}, Python {self.python}"


class Errand:
    """Pickled, a call: who unpickles it makes the call, and has its result."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a task. `unreachable`: the registry did not answer, however often it was asked; `other` is the
    installation of a worker that did not try, since it is not the sender's."""

    outcomes: tuple[LayerOutcome, ...] | None = None
    problem: str = ""
    unreachable: bool = False
    other: Installation | None = None
    seconds: float = 0.0


@cache
def own_installation() -> Installation:
    """That of this process."""
    from imgscan.detect.secrets.scanner import load_scanner

    return Installation(
        imgscan=__version__,
        rules=load_scanner().version[:_RULES_CHARS],
        python=".".join(platform.python_version_tuple()[:2]),
    )


def attempt(work: Work, task: LayerTask) -> Attempt:
    """Do the work."""
    began = time.monotonic()
    try:
        return Attempt(outcomes=tuple(work(task)), seconds=time.monotonic() - began)
    except ImgscanError as error:
        return Attempt(problem=in_words(error), unreachable=_is_unreachable(error))
    except MemoryError:
        return Attempt(problem="the process that read it has too little memory")
    except Exception as error:  # its words may hold anything; that it is a bug is for the report to say
        return Attempt(problem=f"internal error: {_place_of(error)}")


def pack(function: Callable[..., object], *arguments: object) -> io.BytesIO:
    """A call as a scheduler has it: `pickle.load` makes it, where it is to be made. Nothing of it shows in dashboards
    and logs, and whoever hands it on, or lacks what it needs, is none the worse for it."""
    return io.BytesIO(pickle.dumps(Errand(function, *arguments)))


def pack_task(work: Work, task: LayerTask) -> io.BytesIO:
    """A task for a worker that is what this process is."""
    return pack(_attempt_packed, msgspec.structs.asdict(own_installation()), pickle.dumps((work, task)))


def _attempt_packed(sender: Mapping[str, str], packed: bytes) -> Attempt:
    own = own_installation()
    if sender != msgspec.structs.asdict(own):
        return Attempt(other=own)
    try:
        work, task = pickle.loads(packed)  # noqa: S301 - from whoever may run anything in this process anyway
    except Exception as error:
        return Attempt(problem=f"the worker does not have what it is to run: {type(error).__name__}")
    return attempt(work, task)


def describe_installation() -> dict[str, str]:
    """That of this process, with what a cluster is made of besides, as plain values."""
    from importlib.metadata import version

    return {**msgspec.structs.asdict(own_installation()), "distributed": version("distributed")}


def in_words(error: ImgscanError) -> str:
    """An error in one line."""
    words = "; ".join(filter(None, (error.what, error.cause, error.next_step)))
    return plain(shorten(words, _MOST_WORDS))


def _is_unreachable(error: BaseException) -> bool:
    found: BaseException | None = error
    for _ in range(8):
        if found is None:
            break
        if isinstance(found, TransientError):
            return True
        found = found.__cause__ or found.__context__
    return False


def _place_of(error: BaseException) -> str:
    """The kind of an error and where it came from, without its message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{place}"
