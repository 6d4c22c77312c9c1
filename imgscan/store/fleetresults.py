"""Results of layers and images in the tables of a fleet: what one transaction does with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from imgscan.fleets import SealedLayer
from imgscan.layers.blocks import CacheDamagedError
from imgscan.layers.codec import zstd_pair
from imgscan.lazyre import lazy_re
from imgscan.store.checks import checked, with_check
from imgscan.store.database import parts
from imgscan.store.fleettables import BLOCKS, IMAGES, LAYERS, PROOFS, RULESETS, SETTINGS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_BLOCKS_AT_ONCE: Final = 32
_DIFF_ID: Final = lazy_re(r"[a-z0-9]{1,20}:[0-9a-f]{1,128}")


def insert(connection: Connection, table: sa.Table) -> Any:  # noqa: ANN401 - the two have no common type
    """An INSERT that can say what to do about rows that are there already."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def pack(data: bytes) -> bytes:
    """Bytes as they are kept: compressed, with a checksum."""
    return with_check(zstd_pair()[0](data))


def unpack(stored: object) -> bytes:
    """What was packed. Raises CacheDamagedError."""
    return zstd_pair()[1](checked(stored))


def key_of(text: str) -> str:
    """What a text of any length and content is looked up by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def make_setting(connection: Connection, name: str, value: bytes) -> bytes:
    """The setting as it is; as it is now if there was none."""
    new = insert(connection, SETTINGS).values(name=name, value=value).on_conflict_do_nothing()
    connection.execute(new)
    kept: bytes = connection.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalar_one()
    return kept


def find_ruleset(connection: Connection, rules: str) -> int | None:
    """The number of a set of rules, None if nothing of it is kept yet."""
    found: int | None = connection.scalar(sa.select(RULESETS.c.id).where(RULESETS.c.rules == rules))
    return found


def make_ruleset(connection: Connection, rules: str) -> int:
    """The number of a set of rules, from now on if it had none."""
    connection.execute(insert(connection, RULESETS).values(rules=rules).on_conflict_do_nothing())
    ruleset: int = connection.execute(sa.select(RULESETS.c.id).where(RULESETS.c.rules == rules)).scalar_one()
    return ruleset


def is_diff_id(text: str) -> bool:
    """Whether a layer can be kept under it; what an image says its layers are may be anything."""
    return _DIFF_ID.fullmatch(text) is not None


def known_layers(connection: Connection, ruleset: int, diff_ids: Iterable[str]) -> dict[str, int]:
    """The layers that are kept, with their row's number."""
    found: dict[str, int] = {}
    for part in parts([diff_id for diff_id in diff_ids if is_diff_id(diff_id)]):
        query = sa.select(LAYERS.c.diff_id, LAYERS.c.id).where(LAYERS.c.ruleset == ruleset, LAYERS.c.diff_id.in_(part))
        found |= {row.diff_id: row.id for row in connection.execute(query)}
    return found


def proven(connection: Connection, ruleset: int, digests: Iterable[str]) -> set[tuple[str, str]]:
    """DiffID and digest of those blobs that were seen to unpack to a layer that is kept."""
    found: set[tuple[str, str]] = set()
    for part in parts([digest for digest in digests if is_diff_id(digest)]):
        query = (
            sa.select(LAYERS.c.diff_id, PROOFS.c.digest)
            .join(PROOFS, PROOFS.c.layer == LAYERS.c.id)
            .where(LAYERS.c.ruleset == ruleset, PROOFS.c.digest.in_(part))
        )
        found |= {(row.diff_id, row.digest) for row in connection.execute(query)}
    return found


def prove(connection: Connection, ruleset: int, diff_id: str, digest: str) -> None:
    """Note that a blob was seen to unpack to a layer, if that is kept."""
    layer = sa.select(LAYERS.c.id, sa.literal(digest)).where(LAYERS.c.ruleset == ruleset, LAYERS.c.diff_id == diff_id)
    connection.execute(insert(connection, PROOFS).from_select(["layer", "digest"], layer).on_conflict_do_nothing())


def put_layer(connection: Connection, ruleset: int, sealed: SealedLayer, day: int) -> None:
    """Keep a layer's result, unless one is there."""
    new = (
        insert(connection, LAYERS)
        .values(
            ruleset=ruleset,
            diff_id=sealed.diff_id,
            summary=with_check(sealed.summary),
            size_bytes=sealed.size_bytes,
            used_on=day,
        )
        .on_conflict_do_nothing()
        .returning(LAYERS.c.id)
    )
    layer = connection.execute(new).scalar()
    if layer is None:
        return
    for part in parts(range(len(sealed.blocks)), _BLOCKS_AT_ONCE):
        rows = [{"layer": layer, "number": number, "data": with_check(sealed.blocks[number])} for number in part]
        connection.execute(sa.insert(BLOCKS), rows)


def find_layer(connection: Connection, ruleset: int, diff_id: str) -> tuple[int, object] | None:
    """A layer's row number, and its summary as it is stored."""
    query = sa.select(LAYERS.c.id, LAYERS.c.summary).where(LAYERS.c.ruleset == ruleset, LAYERS.c.diff_id == diff_id)
    row = connection.execute(query).first()
    return None if row is None else (row.id, row.summary)


def find_block(connection: Connection, layer: int, number: int) -> object:
    """A block as it is stored, None if it is not there."""
    return connection.scalar(sa.select(BLOCKS.c.data).where(BLOCKS.c.layer == layer, BLOCKS.c.number == number))


def forget_layer(connection: Connection, layer: int) -> None:
    """Remove a layer's result by its row's number; the blocks go with it."""
    connection.execute(sa.delete(LAYERS).where(LAYERS.c.id == layer))


def known_images(connection: Connection, ruleset: int, keys: Iterable[str]) -> dict[str, int]:
    """The images whose report is kept, with their row's number."""
    by_hash = {key_of(key): key for key in keys}
    found: dict[str, int] = {}
    for part in parts(list(by_hash)):
        query = sa.select(IMAGES.c.key, IMAGES.c.id).where(IMAGES.c.ruleset == ruleset, IMAGES.c.key.in_(part))
        found |= {by_hash[row.key]: row.id for row in connection.execute(query)}
    return found


def put_image(connection: Connection, ruleset: int, key: str, report: bytes, layers: Sequence[str], day: int) -> None:
    """Keep an image's report, in place of the one that is there."""
    values = {"report": pack(report), "layers": pack(msgspec.json.encode(list(layers))), "used_on": day}
    new = insert(connection, IMAGES).values(ruleset=ruleset, key=key_of(key), **values)
    connection.execute(new.on_conflict_do_update(index_elements=["ruleset", "key"], set_=values))


def find_image(connection: Connection, ruleset: int, key: str) -> tuple[int, object] | None:
    """An image's row number, and its report as it is stored; `key` is the key's hash."""
    query = sa.select(IMAGES.c.id, IMAGES.c.report).where(IMAGES.c.ruleset == ruleset, IMAGES.c.key == key)
    row = connection.execute(query).first()
    return None if row is None else (row.id, row.report)


def forget_damaged_image(connection: Connection, image: int) -> None:
    """Remove an image's report by its row's number, if nobody has put a good one in its place by now."""
    try:
        unpack(connection.scalar(sa.select(IMAGES.c.report).where(IMAGES.c.id == image).with_for_update()))
    except CacheDamagedError:
        connection.execute(sa.delete(IMAGES).where(IMAGES.c.id == image))


def touch(connection: Connection, table: sa.Table, ids: Iterable[int], day: int) -> None:
    """Note that rows were used. Those that somebody else holds are left out: the next run notes it."""
    for part in parts(sorted(ids)):
        held = (
            sa.select(table.c.id)
            .where(table.c.id.in_(part), table.c.used_on < day)
            .order_by(table.c.id)
            .with_for_update(skip_locked=True)
        )
        free = list(connection.scalars(held))
        if free:
            connection.execute(sa.update(table).where(table.c.id.in_(free)).values(used_on=day))
