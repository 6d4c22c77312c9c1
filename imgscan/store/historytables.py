"""The tables of the history, in SQLAlchemy's terms. A change of them is a revision in `migrations`."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
"""All tables that imgscan keeps anything in."""

VERSIONS: Final = sa.Table("imgscan_versions", METADATA, sa.Column("version", sa.Integer, primary_key=True))
"""For versions of imgscan without Alembic, which refuse a database with a greater number in it than theirs."""
RUNS: Final = sa.Table(
    "imgscan_runs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("target", sa.Text, nullable=False, index=True),
    sa.Column("recorded_at", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("image_id", sa.Text),
    sa.Column("label", sa.Text),
)
FIGURES: Final = sa.Table(
    "imgscan_figures",
    METADATA,
    sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_runs.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)
FINDINGS: Final = sa.Table(
    "imgscan_findings",
    METADATA,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("rule_id", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("first_run", sa.Integer, nullable=False),
    sa.Column("last_run", sa.Integer, nullable=False),
    sa.Column("gone_run", sa.Integer),
)
