"""What is known of a fleet, in a database: results of layers and images, runs, findings over time.

SQLite by default (one file), PostgreSQL by its URL. Any number of processes may have it open, runs as many as there
are; whatever is done is one transaction, and may be done again. It holds no secret and no credential.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import sqlalchemy as sa

from imgscan.errors import EngineError, InputError
from imgscan.fleets import FleetFigures, FleetFinding, FleetImage, SealedLayer
from imgscan.layers.blocks import CacheDamagedError
from imgscan.source.backoff import Effects
from imgscan.store import fleetprune, fleetresults, fleetruns
from imgscan.store.checks import checked
from imgscan.store.database import PATIENT_TRIES, Database, data_url
from imgscan.store.fleetfindings import record_image
from imgscan.store.fleetrecords import FleetRun, FoundFinding, Pruned, RecordedImage
from imgscan.store.fleettables import IMAGES, LAYERS
from imgscan.store.migrate import migrate

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

T = TypeVar("T")
LAYER_LIMIT_BYTES: Final = 256 << 20
"""A layer of three million files has some 100 MB; what is larger is read again in each run."""
_NOUN: Final = "the fleet's store"
_OPENING_TRIES: Final = 3
_NOTE_AT: Final = 2000
_DAY_S: Final = 86_400


def default_fleet_url() -> str:
    """`fleet.sqlite3` of the user's data folder, as a URL."""
    return data_url("fleet.sqlite3")


@contextlib.contextmanager
def open_fleet_store(
    url: str,
    *,
    rules: str,
    layer_limit_bytes: int = LAYER_LIMIT_BYTES,
    reached_before: bool = False,
    effects: Effects | None = None,
    clock: Callable[[], float] = time.time,
) -> Iterator[FleetStore]:
    """The store at a URL (`sqlite:///path`, a plain path, `postgresql://…`), made if it is not there.

    `rules` is the version of imgscan and its rules: results of others are not seen. `reached_before` says that the
    database was there a moment ago, so that it is worth waiting for; `clock` gives seconds since 1970. Raises
    InputError for a URL or a file that cannot be used, EngineError when the database cannot be reached.
    """
    tries = PATIENT_TRIES if reached_before else _OPENING_TRIES
    with contextlib.closing(Database(url, noun=_NOUN, effects=effects, tries=tries)) as database:
        migrate(database, _NOUN)
        database.tries = PATIENT_TRIES
        store = FleetStore(database, rules, layer_limit_bytes, clock)
        yield store
        # Nothing is lost without: results go some days earlier.
        with contextlib.suppress(EngineError, InputError):
            store.note_used()


class StoredBlocks:
    """The blocks of one layer in the store; see `blocks.BlockStore`."""

    def __init__(self, store: FleetStore, layer: int) -> None:
        self._store = store
        self._layer = layer

    def read(self, number: int) -> bytes:
        """A block's bytes. Raises CacheDamagedError if it is gone or damaged; the layer is then no longer kept."""
        return self._store.block(self._layer, number)


class FleetStore:
    """An open store. Each method raises EngineError when the database cannot be reached (or no longer, after several
    tries) and InputError when it cannot be used; what it was to do is then not done, or done as a whole."""

    def __init__(self, database: Database, rules: str, layer_limit_bytes: int, clock: Callable[[], float]) -> None:
        self._database = database
        self._rules = rules
        self._layer_limit_bytes = layer_limit_bytes
        self._clock = clock
        self._used: dict[sa.Table, set[int]] = {LAYERS: set(), IMAGES: set()}
        self._began: dict[int, str] = {}
        self._known_ruleset = database.read(lambda connection: fleetresults.find_ruleset(connection, rules))

    # ---- results ----

    def seal_key(self) -> bytes:
        """32 random bytes, made once and the same for every user of the store."""
        new = secrets.token_bytes(32)
        return self._database.write(lambda connection: fleetresults.make_setting(connection, "seal-key", new))

    def known_layers(self, diff_ids: Iterable[str]) -> set[str]:
        """Those of the layers whose results are kept; they count as used."""
        wanted = sorted(set(diff_ids))
        found = self._with_ruleset(lambda connection, rules: fleetresults.known_layers(connection, rules, wanted))
        self._note(LAYERS, (found or {}).values())
        return set(found or {})

    def put_layer(self, sealed: SealedLayer) -> bool:
        """Keep a layer's result, unless it is there. False if it is larger than what is kept, or named as no layer
        is."""
        if sealed.size_bytes > self._layer_limit_bytes or not fleetresults.is_diff_id(sealed.diff_id):
            return False
        ruleset, day = self._ruleset(), self._day()
        self._database.write(lambda connection: fleetresults.put_layer(connection, ruleset, sealed, day))
        return True

    def proven(self, digests: Iterable[str]) -> set[tuple[str, str]]:
        """DiffID and digest of those blobs that were seen to unpack to a layer whose result is kept."""
        wanted = sorted(set(digests))
        return self._with_ruleset(lambda connection, rules: fleetresults.proven(connection, rules, wanted)) or set()

    def prove(self, diff_id: str, digest: str) -> None:
        """Note that a blob was, for as long as the layer's result is kept."""
        if fleetresults.is_diff_id(diff_id) and fleetresults.is_diff_id(digest):
            ruleset = self._ruleset()
            self._database.write(lambda connection: fleetresults.prove(connection, ruleset, diff_id, digest))

    def layer(self, diff_id: str) -> tuple[bytes, StoredBlocks] | None:
        """A layer's summary and its blocks, which are read one at a time; None if it is not kept, or damaged."""
        if not fleetresults.is_diff_id(diff_id):
            return None
        found = self._with_ruleset(lambda connection, rules: fleetresults.find_layer(connection, rules, diff_id))
        if found is None:
            return None
        layer, stored = found
        try:
            summary = checked(stored)
        except CacheDamagedError:
            self._forget_layer(layer)
            return None
        self._note(LAYERS, (layer,))
        return summary, StoredBlocks(self, layer)

    def block(self, layer: int, number: int) -> bytes:
        """A block of a layer by its row's number. Raises CacheDamagedError; the layer is then no longer kept."""
        stored = self._database.read(lambda connection: fleetresults.find_block(connection, layer, number))
        try:
            return checked(stored)
        except CacheDamagedError:
            self._forget_layer(layer)
            raise

    def known_images(self, keys: Iterable[str]) -> set[str]:
        """Those of the images whose reports are kept; they count as used."""
        wanted = sorted(set(keys))
        found = self._with_ruleset(lambda connection, rules: fleetresults.known_images(connection, rules, wanted))
        self._note(IMAGES, (found or {}).values())
        return set(found or {})

    def put_image(self, key: str, report: bytes, layers: Sequence[str]) -> None:
        """Keep an image's report (JSON); `layers` are its diffIDs, which count as used as long as the report is."""
        ruleset, day = self._ruleset(), self._day()
        self._database.write(lambda connection: fleetresults.put_image(connection, ruleset, key, report, layers, day))

    def image(self, key: str) -> bytes | None:
        """An image's report as it was given; None if it is not kept, or damaged."""
        return self._report(self._find_ruleset(), fleetresults.key_of(key))

    def image_in_run(self, run: int, name: str) -> bytes | None:
        """The report that an image of this name had in a run, whatever the rules were."""
        key = fleetresults.key_of(name)
        found = self._database.read(lambda connection: fleetruns.find_result(connection, run, key))
        return None if found is None else self._report(*found)

    # ---- runs ----

    def begin_run(self, at: str, *, version: str, sources: Sequence[str]) -> int:
        """Begin a run and give its number; times are ISO in UTC. Logins in the sources are not kept."""
        ruleset, token = self._ruleset(), secrets.token_hex(16)
        run = self._database.write(
            lambda connection: fleetruns.begin_run(connection, ruleset, token, at=at, version=version, sources=sources)
        )
        self._began[run] = at
        return run

    def record_image(self, run: int, image: FleetImage, findings: Sequence[FoundFinding]) -> RecordedImage:
        """Record what a run found in an image, by the image's name; `at` of the run is when it was seen.

        Once more for the same run and name it takes the place of what was recorded, and is compared with what was
        there before the run. An image that is not complete fixes nothing. Raises InputError for an unknown run.
        """
        if run not in self._began:
            row = self._database.read(lambda connection: fleetruns.find_run(connection, run))
            self._began[run] = row.started_at
        at = self._began[run]
        return self._database.write(lambda connection: record_image(connection, run, at, image, findings))

    def finish_run(
        self, run: int, at: str, figures: FleetFigures, complete: bool, *, listed: bool | None = None
    ) -> tuple[str, ...]:
        """End a run: what it found counts as told. `listed` says that every image of its sources was recorded, be it
        as one that failed (default: `complete`). Returns the names that an earlier run of the same sources had and
        this one has not: they are gone, what was found in them is neither standing nor fixed, and if they come back
        they are no first ones."""
        self.note_used()
        all_listed = complete if listed is None else listed
        return self._database.write(
            lambda connection: fleetruns.finish_run(
                connection, run, at=at, figures=figures, complete=complete, listed=all_listed
            )
        )

    def run_images(self, run: int) -> Iterator[FleetImage]:
        """The images of a run, in the order in which their names were first seen."""
        return self._pages(partial(fleetruns.page_images, run=run))

    def run_findings(self, run: int) -> Iterator[FleetFinding]:
        """What a run found: new, standing and fixed; image by image, the gravest first."""
        pages = self._pages(partial(fleetruns.page_findings, run=run))
        return (finding for findings in pages for finding in findings)

    def last_runs(self, last: int) -> list[FleetRun]:
        """The latest runs, oldest first; also those that are under way or never ended."""
        return self._database.read(lambda connection: fleetruns.last_runs(connection, last))

    # ---- retention ----

    def prune(self, *, runs: int = 30, days: int = 30, other_rules_days: int = 7) -> Pruned:
        """Keep the latest `runs` of each set of sources; results of layers and images that no kept run refers to for
        `days` days after they were used (those of other rules, `other_rules_days`); findings that were fixed, and
        names that were not seen, for as long as a kept run has them and for `days` days."""
        self.note_used()
        bounds = fleetprune.Bounds(
            today=self._day(), ruleset=self._ruleset(), runs=max(runs, 1), days=days, other_days=other_rules_days
        )
        write = self._database.write
        pruned = Pruned(
            runs=fleetprune.forget_runs(write, bounds),
            image_results=fleetprune.forget_images(write, bounds),
            layers=fleetprune.forget_layers(self._database.read, write, bounds),
            findings=fleetprune.forget_findings(write, bounds),
            names=fleetprune.forget_names(write, bounds),
        )
        self._database.shrink()
        return pruned

    def note_used(self) -> None:
        """Write down which results were used; done at the end and now and then besides."""
        for table, ids in self._used.items():
            if ids:
                self._used[table] = set()
                self._database.write(partial(fleetresults.touch, table=table, ids=ids, day=self._day()))

    def _note(self, table: sa.Table, ids: Iterable[int]) -> None:
        self._used[table].update(ids)
        if len(self._used[table]) >= _NOTE_AT:
            self.note_used()

    def _report(self, ruleset: int | None, key: str) -> bytes | None:
        if ruleset is None:
            return None
        found = self._database.read(lambda connection: fleetresults.find_image(connection, ruleset, key))
        if found is None:
            return None
        image, stored = found
        try:
            report = fleetresults.unpack(stored)
        except CacheDamagedError:
            self._database.write(lambda connection: fleetresults.forget_damaged_image(connection, image))
            return None
        self._note(IMAGES, (image,))
        return report

    def _forget_layer(self, layer: int) -> None:
        self._database.write(lambda connection: fleetresults.forget_layer(connection, layer))

    def _pages(self, page: Callable[..., list[tuple[int, T]]]) -> Iterator[T]:
        """What the pages hold, one transaction a page: whoever takes it may take long."""
        after = 0
        while True:
            try:
                found = self._database.read(partial(page, after=after))
            except (CacheDamagedError, msgspec.MsgspecError):
                raise InputError(
                    "a run in the fleet's store is damaged, or of another version",
                    next_step="scan again: imgscan fleet SOURCE",
                ) from None
            if not found:
                return
            for number, item in found:
                after = number
                yield item

    def _with_ruleset(self, work: Callable[[Connection, int], T]) -> T | None:
        ruleset = self._find_ruleset()
        return None if ruleset is None else self._database.read(lambda connection: work(connection, ruleset))

    def _find_ruleset(self) -> int | None:
        if self._known_ruleset is None:
            # Another process may have put the first result of these rules.
            self._known_ruleset = self._database.read(
                lambda connection: fleetresults.find_ruleset(connection, self._rules)
            )
        return self._known_ruleset

    def _ruleset(self) -> int:
        if self._known_ruleset is None:
            self._known_ruleset = self._database.write(
                lambda connection: fleetresults.make_ruleset(connection, self._rules)
            )
        return self._known_ruleset

    def _day(self) -> int:
        return int(self._clock() // _DAY_S)
