"""One run of proofs: its name, its folder, and that nothing of it stays.

In: an engine. Out: `Bench`, a context within which copies, images and a scratch project may be made.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgscan.build.cleanup import uninterrupted
from imgscan.errors import EngineError
from imgscan.frozen import frozen
from imgscan.verify.freeing import free_folder, has_foreign_files
from imgscan.verify.images import ImageMaker
from imgscan.verify.leftovers import names_in_use, remove_all

if TYPE_CHECKING:
    from imgscan.engine import Engine
    from imgscan.verify.composecli import Compose

PREFIX: Final = "imgscan-verify-"


@frozen
class Bench:
    """What a proof may use. `name` is that of the scratch project, of its images and of all it makes; `work` a folder
    of ours that nobody else can enter; `say` tells what is going on."""

    engine: Engine
    compose: Compose
    name: str
    work: Path
    images: ImageMaker
    say: Callable[[str], None] = lambda text: None

    @property
    def label(self) -> str:
        """The value of our label."""
        return self.name.removeprefix(PREFIX)


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder of our own for the length of the block; whoever else wrote into it (a container, as root), it goes."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        yield folder
    finally:
        with uninterrupted():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_bench(
    engine: Engine,
    compose: Compose,
    work: Path,
    *,
    bases: Mapping[str, str],
    network: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Bench]:
    """A bench whose containers, networks, volumes and images are gone when the block is over, also when it is
    interrupted. Raises EngineError."""
    run = secrets.token_hex(6)
    name = f"{PREFIX}{run}"
    taken = names_in_use(engine, name)
    if taken:
        raise EngineError(f"{taken[0]} is there already", next_step="run the same command again: names are random")
    with ExitStack() as stack:
        images = ImageMaker(engine=engine, stack=stack, run_id=f"verify-{run}", work=work, bases=bases, network=network)
        try:
            yield Bench(engine=engine, compose=compose, name=name, work=work, images=images, say=say)
        except BaseException:
            # An engine that is gone cannot be tidied; the error on its way says so already.
            with uninterrupted(), suppress(EngineError):
                _tidy_up(engine, images, name, work, late=True)
            raise
        with uninterrupted():
            _tidy_up(engine, images, name, work, late=False)


def _tidy_up(engine: Engine, images: ImageMaker, name: str, work: Path, *, late: bool) -> None:
    label = name.removeprefix(PREFIX)
    if has_foreign_files(work):
        # Before the images go: one of them has to do it.
        free_folder(engine, images.used, work, label)
    remove_all(engine, name, label, late=late)
