"""Allowlists: the `[[allow]]` tables of configuration files as entries, each with a reason. In: TOML values. Out:
`AllowEntry`."""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from imgscan.alike import alike
from imgscan.config import Table
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Finding, Location
from imgscan.pathglob import GlobError, compile_glob

CRITERIA: Final = ("rule", "path", "fingerprint")
KEYS: Final = (*CRITERIA, "reason", "expires")
LONGEST_REASON: Final = 500
_FINGERPRINT: Final = lazy_re(r"[0-9a-f]{16}")


@frozen
class AllowEntry:
    """Findings of the `rule` (`*` and `?` as in file names), all of whose places fit the `path` (see `pathglob`), with
    the `fingerprint`: as far as they are given. It counts up to and including the day it `expires`. `where` it is
    written: file and line."""

    rule: str | None
    path: str | None
    fingerprint: str | None
    reason: str
    expires: datetime.date | None
    where: str

    def fits(self, finding: Finding) -> bool:
        """Whether it is for a finding."""
        if self.rule is not None and not fnmatch.fnmatchcase(finding.rule_id, self.rule):
            return False
        if self.fingerprint is not None and finding.fingerprint != self.fingerprint:
            return False
        if self.path is None:
            return True
        fits = compile_glob(self.path)
        return all(_place_fits(fits, place) for place in finding.places or (finding.location,))


def read_allow(tables: Iterable[Table]) -> tuple[AllowEntry, ...]:
    """The entries, in their order. Raises InputError naming file and line."""
    return tuple(_entry(table.value, table.where) for table in tables)


def _place_fits(fits: Callable[[str], bool], place: Location) -> bool:
    """A member of an archive fits by its own path, by that of its archive, or by both with a slash between."""
    if place.path is None:
        return False
    return fits(place.path) or (bool(place.inside) and fits("/".join((place.path, *place.inside))))


def _entry(value: Any, where: str) -> AllowEntry:  # noqa: ANN401 - a TOML value
    if not isinstance(value, dict):
        raise InputError(f"{where}: allow is a list of tables", next_step="write [[allow]], then a line for each key")
    for key in value:
        if key not in KEYS:
            near = alike(key, KEYS)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(KEYS)}"
            raise InputError(f"{where}: unknown key {key!r} in [[allow]]", next_step=hint)
    texts = {key: _text(value, key, where) for key in (*CRITERIA, "reason")}
    if texts["reason"] is None:
        raise InputError(
            f"{where}: an entry of [[allow]] needs a reason", next_step='say why it is no harm: reason = "…"'
        )
    if all(texts[key] is None for key in CRITERIA):
        raise InputError(f"{where}: an entry of [[allow]] needs a criterion", next_step=f"one of {', '.join(CRITERIA)}")
    if texts["path"] is not None:
        try:
            compile_glob(texts["path"])
        except GlobError as error:
            raise InputError(f"{where}: path {texts['path']!r}: {error}") from error
    if texts["fingerprint"] is not None and _FINGERPRINT.fullmatch(texts["fingerprint"]) is None:
        raise InputError(
            f"{where}: {texts['fingerprint']!r} is not a fingerprint",
            next_step="copy the 16 hexadecimal digits that the JSON report has for the finding",
        )
    return AllowEntry(
        rule=texts["rule"],
        path=texts["path"],
        fingerprint=texts["fingerprint"],
        reason=texts["reason"],
        expires=read_date(value.get("expires"), where),
        where=where,
    )


def _text(value: dict[str, Any], key: str, where: str) -> str | None:
    if key not in value:
        return None
    text = value[key]
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_REASON * 2:
        raise InputError(f"{where}: {key} is a text that is not empty")
    return text.strip()


def read_date(value: Any, where: str) -> datetime.date | None:  # noqa: ANN401 - a TOML or JSON value
    """A date, or one as text (YYYY-MM-DD); None for none. Raises InputError."""
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            pass
    raise InputError(f"{where}: expires is a day, such as 2027-03-31")
