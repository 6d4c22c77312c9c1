"""A fleet's steps by hand, with results of layers in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from imgscan.cli.session import NOT_ASKED, open_session, scan_target
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.fleet.assemble import assemble
from imgscan.fleet.lookup import Resolved, Resolving, resolve
from imgscan.fleet.plan import layer_tasks
from imgscan.fleet.read import read_layers, work_version
from imgscan.fleets import LayerOutcome, LayerTask, SealedLayer, Wanted
from imgscan.layers.blocks import BlockStore, HeldBlocks
from imgscan.model import Report
from imgscan.redaction import redactor_for

KEY = b"k" * 32
SCANNER = load_scanner()
make_task = partial(LayerTask, version=work_version(SCANNER), seal_key=KEY)


def want(ref: str, name: str = "", **more: Any) -> Wanted:
    return Wanted(ref=ref, name=name or ref, source=ref, **more)


class Layers:
    """What a store keeps, in memory; `tasks` and `outcomes` are those that there were."""

    def __init__(self) -> None:
        self.sealed: dict[str, SealedLayer] = {}
        self.outcomes: list[LayerOutcome] = []
        self.tasks: list[LayerTask] = []

    def find(self, diff_id: str) -> tuple[bytes, BlockStore] | None:
        found = self.sealed.get(diff_id)
        return (found.summary, HeldBlocks(found.blocks)) if found is not None else None

    def read(self, images: Sequence[Resolved]) -> None:
        for task in layer_tasks(images, self.sealed.keys(), make_task):
            self.tasks.append(task)
            for outcome in read_layers(task):
                self.outcomes.append(outcome)
                if outcome.sealed is not None:
                    self.sealed[outcome.sealed.diff_id] = outcome.sealed


def resolved(ref: str, **more: Any) -> Resolved:
    found = resolve(want(ref, **more), Resolving())
    assert isinstance(found, Resolved), found
    return found


def put_together(image: Resolved, layers: Layers) -> Report:
    return assemble(image, layers.find, SCANNER, redactor_for(SCANNER), KEY)


def scanned(ref: str) -> Report:
    """What `imgscan scan` says of it."""
    params = {
        **NOT_ASKED,
        "quiet": True,
        "verbose": False,
        "no_cache": True,
        "no_config": True,
        "config": None,
        "jobs": 1,
    }
    return scan_target(ref, open_session(params))
