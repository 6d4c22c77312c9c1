"""The tables of the history, in SQLAlchemy's terms. `VERSION` is raised with every change of them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

VERSION: Final = 1
METADATA: Final = sa.MetaData()

VERSIONS: Final = sa.Table("imgscan_versions", METADATA, sa.Column("version", sa.Integer, primary_key=True))
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
