"""The tables of a fleet, in SQLAlchemy's terms; they lie beside those of the history. Times are ISO in UTC, days are
counted from 1970.

Layer and image results belong to a set of rules. Findings do not: they have one row from when they were first seen
until they are fixed, and another one when they come back. What a run told is kept with it, so that a run that never
ended told nothing to anybody. Where rows are referred to by number after they may be gone, SQLite is told to give no
number twice.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from imgscan.store.historytables import METADATA

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers rows of a column of just this type."""

SETTINGS: Final = sa.Table(
    "imgscan_fleet_settings",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
RULESETS: Final = sa.Table(
    "imgscan_fleet_rulesets",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rules", sa.Text, nullable=False, unique=True),
)
LAYERS: Final = sa.Table(
    "imgscan_fleet_layers",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("ruleset", sa.Integer, sa.ForeignKey("imgscan_fleet_rulesets.id"), nullable=False),
    sa.Column("diff_id", sa.Text, nullable=False),
    sa.Column("summary", sa.LargeBinary, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("used_on", sa.Integer, nullable=False),
    sa.UniqueConstraint("ruleset", "diff_id", name="uq_imgscan_fleet_layers"),
    sqlite_autoincrement=True,
)
BLOCKS: Final = sa.Table(
    "imgscan_fleet_blocks",
    METADATA,
    sa.Column("layer", _ID, sa.ForeignKey("imgscan_fleet_layers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
PROOFS: Final = sa.Table(
    "imgscan_fleet_proofs",
    METADATA,
    sa.Column("layer", _ID, sa.ForeignKey("imgscan_fleet_layers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
)
"""The blobs that were seen to unpack to a layer."""
IMAGES: Final = sa.Table(
    "imgscan_fleet_images",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("ruleset", sa.Integer, sa.ForeignKey("imgscan_fleet_rulesets.id"), nullable=False),
    # The SHA-256 of the key, which may be of any length; so is `NAMES.key` that of the name.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("report", sa.LargeBinary, nullable=False),
    sa.Column("layers", sa.LargeBinary, nullable=False),
    sa.Column("used_on", sa.Integer, nullable=False),
    sa.UniqueConstraint("ruleset", "key", name="uq_imgscan_fleet_images"),
)
RUNS: Final = sa.Table(
    "imgscan_fleet_runs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    # Of whoever began it: begun again by the same, it is the same run.
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("ruleset", sa.Integer, sa.ForeignKey("imgscan_fleet_rulesets.id"), nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("finished_at", sa.Text),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("figures", sa.Text, nullable=False),
    # Names that were there the run before and are no more, as JSON.
    sa.Column("gone", sa.Text, nullable=False),
    # Its images are no longer kept; the row stays, since it says what was told.
    sa.Column("forgotten", sa.Boolean, nullable=False),
)
NAMES: Final = sa.Table(
    "imgscan_fleet_names",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("last_seen", sa.Text, nullable=False),
    sa.Column("last_run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), nullable=False),
    sa.Column("gone_at", sa.Text),
    sqlite_autoincrement=True,
)
LOOKS: Final = sa.Table(
    "imgscan_fleet_looks",
    METADATA,
    sa.Column("image", _ID, sa.ForeignKey("imgscan_fleet_names.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), primary_key=True),
)
"""The runs that looked at an image that no finished run had looked at."""
RUN_IMAGES: Final = sa.Table(
    "imgscan_fleet_run_images",
    METADATA,
    sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), primary_key=True),
    sa.Column("image", _ID, sa.ForeignKey("imgscan_fleet_names.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("result", sa.Text, nullable=False, index=True),
    sa.Column("first", sa.Boolean, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("findings", sa.LargeBinary, nullable=False),
)
FINDINGS: Final = sa.Table(
    "imgscan_fleet_findings",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("image", _ID, sa.ForeignKey("imgscan_fleet_names.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("rule_id", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("layer", sa.Text, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("first_seen", sa.Text, nullable=False),
    sa.Column("last_seen", sa.Text, nullable=False),
    sa.Column("fixed_at", sa.Text),
    # It ended without anybody having been told that it was there, or goes on as another row.
    sa.Column("silent", sa.Boolean, nullable=False),
    sqlite_autoincrement=True,
)
OPEN_FINDINGS: Final = sa.Index(
    "uq_imgscan_fleet_findings_open",
    FINDINGS.c.image,
    FINDINGS.c.fingerprint,
    unique=True,
    sqlite_where=FINDINGS.c.fixed_at.is_(None),
    postgresql_where=FINDINGS.c.fixed_at.is_(None),
)
CHANGES: Final = sa.Table(
    "imgscan_fleet_changes",
    METADATA,
    sa.Column("finding", _ID, sa.ForeignKey("imgscan_fleet_findings.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), primary_key=True),
    sa.Column("change", sa.Text, nullable=False),
)
"""What is new or fixed by which run; told once the run is finished."""
