"""Waivers: the `[[waiver]]` tables of configuration files as entries, each with an owner, a reason and a last day. In:
TOML values. Out: `WaiverEntry`, and those that count today."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from imgscan.alike import alike
from imgscan.allowlist import LONGEST_REASON, read_date
from imgscan.config import Table
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import Risk, Waiver

KEYS: Final = ("risk", "owner", "reason", "expires")


@frozen
class WaiverEntry:
    """Somebody answers for a risk up to and including the day it `expires`. `where` it is written: file and line."""

    risk: str
    owner: str
    reason: str
    expires: datetime.date
    where: str


def read_waivers(tables: Iterable[Table], known: Collection[str]) -> tuple[WaiverEntry, ...]:
    """The entries, in their order; `known` are the ids of the risks there are. Raises InputError naming file and
    line."""
    return tuple(_entry(table.value, table.where, known) for table in tables)


def counting(entries: Iterable[WaiverEntry], today: datetime.date) -> dict[str, Waiver]:
    """The waivers by risk that have not expired; of several for one risk the first, which stands nearest."""
    found: dict[str, Waiver] = {}
    for entry in entries:
        if entry.expires >= today:
            waiver = Waiver(owner=entry.owner, reason=entry.reason, expires=entry.expires.isoformat())
            found.setdefault(entry.risk, waiver)
    return found


def waiver_notes(entries: Sequence[WaiverEntry], risks: Iterable[Risk], today: datetime.date) -> tuple[str, ...]:
    """What was written without effect: waivers that expired, and those of risks that do not apply here."""
    idle = {risk.id: risk.not_applicable for risk in risks if not risk.applies}
    expired = [
        f"{entry.where}: the waiver of {entry.risk} by {entry.owner} expired on {entry.expires} and does not count"
        for entry in entries
        if entry.expires < today
    ]
    needless = [
        f"{entry.where}: the waiver of {entry.risk} has no effect: {idle[entry.risk]}"
        for entry in entries
        if entry.expires >= today and entry.risk in idle
    ]
    return (*expired, *needless)


def _entry(value: Any, where: str, known: Collection[str]) -> WaiverEntry:  # noqa: ANN401 - a TOML value
    if not isinstance(value, dict):
        raise InputError(f"{where}: waiver is a list of tables", next_step="write [[waiver]], then a line for each key")
    for key in value:
        if key not in KEYS:
            near = alike(key, KEYS)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(KEYS)}"
            raise InputError(f"{where}: unknown key {key!r} in [[waiver]]", next_step=hint)
    risk, owner, reason = (_text(value, key, where) for key in ("risk", "owner", "reason"))
    if risk not in known:
        near = alike(risk.upper(), known)
        hint = f"did you mean {near[0]!r}?" if near else f"risks: {', '.join(known)}"
        raise InputError(f"{where}: there is no risk {risk!r}", next_step=hint)
    expires = read_date(value.get("expires"), where)
    if expires is None:
        raise InputError(
            f"{where}: an entry of [[waiver]] needs a last day",
            next_step="nobody answers for ever: expires = 2027-03-31",
        )
    return WaiverEntry(risk=risk, owner=owner, reason=reason, expires=expires, where=where)


_NEEDED: Final = {
    "risk": 'which one: risk = "DATA-001"',
    "owner": 'who answers for it: owner = "…"',
    "reason": 'why it may stay: reason = "…"',
}


def _text(value: dict[str, Any], key: str, where: str) -> str:
    if key not in value:
        raise InputError(f"{where}: an entry of [[waiver]] needs {key!r}", next_step=_NEEDED[key])
    text = value[key]
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_REASON:
        raise InputError(f"{where}: {key} is a text of 1 to {LONGEST_REASON} characters")
    return text.strip()
