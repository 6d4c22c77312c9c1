"""Baselines: files that hold the findings a team has accepted. In: findings, or a file's bytes. Out: a `Baseline`, or
the file's text.

A baseline is committed where others may read it, so it must not help anybody to confirm a guess at a secret. An entry
is HMAC-SHA-256, with a random key of the file, over a finding's fingerprint, and a fingerprint tells nothing that could
be tried: that of a secret nobody can guess is a digest of it, that of any other only 8 bits of one (see
`detect.secrets.redact`). The key lies in the file, so it hides nothing from who has the file and a report; but two
baselines, or a baseline and a report, cannot be linked by comparing their texts.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from imgscan.allowlist import LONGEST_REASON, read_date
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import Finding, Place

FORMAT: Final = 1
_KEY_BYTES: Final = 32
_ID_CHARS: Final = 32
_LARGEST: Final = 32 << 20
_KEYS: Final = ("id", "rule", "place", "where", "reason", "expires")
_ROOT_KEYS: Final = frozenset({"imgscan_baseline", "key", "accepted"})
_DEFAULT_REASON: Final = "known when the baseline was written"
_HEX: Final = frozenset("0123456789abcdef")


@frozen
class Entry:
    """An accepted finding. `rule`, `place` and `where` are for whoever reads the file; the `id` alone decides."""

    id: str
    rule: str
    place: Place
    where: str
    reason: str
    expires: datetime.date | None = None


@frozen(slots=False)
class Baseline:
    """Accepted findings under one key; `file` is what it is called in messages."""

    key: bytes
    entries: tuple[Entry, ...]
    file: str

    @cached_property
    def by_id(self) -> Mapping[str, Entry]:
        """The entries by their ids."""
        return {entry.id: entry for entry in self.entries}

    def find(self, finding: Finding) -> Entry | None:
        """The entry for a finding."""
        return self.by_id.get(self.id_of(finding))

    def id_of(self, finding: Finding) -> str:
        """What a finding is called in this file."""
        return hmac.new(self.key, finding.fingerprint.encode(), hashlib.sha256).hexdigest()[:_ID_CHARS]


def new_baseline(file: str) -> Baseline:
    """An empty one, with a key of its own."""
    import secrets

    return Baseline(key=secrets.token_bytes(_KEY_BYTES), entries=(), file=file)


def accept_findings(
    baseline: Baseline,
    findings: Iterable[Finding],
    *,
    reason: str | None,
    expires: datetime.date | None,
    today: datetime.date | None = None,
) -> Baseline:
    """The baseline with exactly these findings; entries of no finding are left out. Reason and end are for all of them,
    with `today` only for those that are new or have expired: the others keep theirs. What is not given is kept."""
    entries: dict[str, Entry] = {}
    for finding in findings:
        known = baseline.find(finding)
        if known is not None and today is not None and not is_expired(known, today):
            entries[known.id] = known
            continue
        ends = known.expires if known is not None and today is None else None
        fresh = Entry(
            id=baseline.id_of(finding),
            rule=finding.rule_id,
            place=finding.location.place,
            where=finding.location.path or "",
            reason=reason or (known.reason if known else _DEFAULT_REASON),
            expires=expires or ends,
        )
        entries[fresh.id] = fresh
    ordered = sorted(entries.values(), key=lambda entry: (entry.rule, entry.where, entry.id))
    return replace(baseline, entries=tuple(ordered))


def is_expired(entry: Entry, today: datetime.date) -> bool:
    """Whether its last day is over."""
    return entry.expires is not None and entry.expires < today


def render(baseline: Baseline) -> str:
    """The file's text: JSON with an entry to a line, so that a change of one is a change of one line."""
    lines = [json.dumps(_fields(entry), ensure_ascii=True) for entry in baseline.entries]
    body = "[\n    " + ",\n    ".join(lines) + "\n  ]" if lines else "[]"
    return f'{{\n  "imgscan_baseline": {FORMAT},\n  "key": "{baseline.key.hex()}",\n  "accepted": {body}\n}}\n'


def _fields(entry: Entry) -> dict[str, Any]:
    fields = {"id": entry.id, "rule": entry.rule, "place": entry.place.value, "where": entry.where}
    fields["reason"] = entry.reason
    return fields if entry.expires is None else {**fields, "expires": entry.expires.isoformat()}


def read_baseline(path: Path) -> Baseline:
    """The baseline of a file. Raises InputError with file and line for one that is broken."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(
            f"the baseline {path} cannot be read: {error.strerror}",
            next_step=f"imgscan baseline create REPORT.json -o {path} --reason TEXT makes one of a JSON report",
        ) from error
    if len(data) > _LARGEST:
        raise InputError(f"the baseline {path} is larger than {_LARGEST >> 20} MiB")
    return parse_baseline(data, str(path))


def parse_baseline(data: bytes, file: str) -> Baseline:
    """The baseline of a file's bytes. Raises InputError with file and line."""
    try:
        root = json.loads(data)
    except json.JSONDecodeError as error:
        conflict = "an unresolved merge conflict" if b"<<<<<<<" in data else ""
        raise InputError(f"{file}:{error.lineno}: not valid JSON: {error.msg}", cause=conflict) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{file}:1: not valid JSON") from error
    if not isinstance(root, dict) or "imgscan_baseline" not in root or not root.keys() <= _ROOT_KEYS:
        hint = "imgscan baseline create REPORT.json -o FILE --reason TEXT makes one of a JSON report"
        raise InputError(f"{file}:1: not a baseline of imgscan", next_step=hint)
    if root["imgscan_baseline"] != FORMAT:
        raise InputError(f"{file}: a baseline of format {root['imgscan_baseline']!r}, this version knows {FORMAT}")
    items = root.get("accepted")
    if not isinstance(items, list):
        raise InputError(f'{file}:{_line_of(data, "accepted")}: "accepted" is a list of entries')
    return Baseline(
        key=_key(root.get("key"), f"{file}:{_line_of(data, 'key')}"),
        entries=tuple(_entry(item, number, data, file) for number, item in enumerate(items)),
        file=file,
    )


def _key(value: object, where: str) -> bytes:
    if isinstance(value, str) and len(value) == 2 * _KEY_BYTES and _HEX.issuperset(value):
        return bytes.fromhex(value)
    raise InputError(f'{where}: "key" is {2 * _KEY_BYTES} hexadecimal digits')


def _entry(item: object, number: int, data: bytes, file: str) -> Entry:
    problem = _problem(item)
    if problem or not isinstance(item, dict):
        raise InputError(f"{file}:{_entry_line(data, number)}: {problem}")
    try:
        return Entry(
            id=item["id"],
            rule=item["rule"],
            place=Place(item["place"]),
            where=item["where"],
            reason=item["reason"],
            expires=read_date(item.get("expires"), f"{file}, entry {number + 1}"),
        )
    except InputError as error:
        raise InputError(f"{file}:{_entry_line(data, number)}: expires is a day, such as 2027-03-31") from error


def _problem(item: object) -> str:
    """What is wrong with an entry, in words; nothing if nothing is."""
    if not isinstance(item, dict):
        return "an entry is an object"
    unknown = [key for key in item if key not in _KEYS]
    if unknown:
        return f"unknown key {unknown[0]!r}; an entry has {', '.join(_KEYS)}"
    for key in ("id", "rule", "place", "where", "reason"):
        if not isinstance(item.get(key), str):
            return f"an entry has no {key}"
    if len(item["id"]) != _ID_CHARS or not _HEX.issuperset(item["id"]):
        return f"an id is {_ID_CHARS} hexadecimal digits"
    if item["place"] not in set(Place):
        return f"place is one of {', '.join(Place)}"
    if not item["reason"].strip() or len(item["reason"]) > LONGEST_REASON:
        return f"a reason is a text of at most {LONGEST_REASON} characters that is not empty"
    return ""


def _line_of(data: bytes, key: str) -> int:
    """The line of a key of the outermost object, 1 if it is not there."""
    return data.count(b"\n", 0, max(data.find(json.dumps(key).encode()), 0)) + 1


def _entry_line(data: bytes, number: int) -> int:
    """The line on which an entry begins: only asked for where something is wrong."""
    text = data.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    end = text.index("[", text.index('"accepted"')) + 1
    start = end
    for _ in range(number + 1):
        start = end + len(text[end:]) - len(text[end:].lstrip(" \t\r\n,"))
        _, end = decoder.raw_decode(text, start)
    return text.count("\n", 0, start) + 1
