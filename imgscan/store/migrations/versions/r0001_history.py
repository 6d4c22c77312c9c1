"""The history's tables, as version 1 of `imgscan_versions` made them without Alembic."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of the history."""
    op.create_table("imgscan_versions", sa.Column("version", sa.Integer, primary_key=True))
    op.create_table(
        "imgscan_runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("image_id", sa.Text),
        sa.Column("label", sa.Text),
    )
    op.create_index("ix_imgscan_runs_target", "imgscan_runs", ["target"])
    op.create_table(
        "imgscan_figures",
        sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_runs.id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
    )
    op.create_table(
        "imgscan_findings",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("rule_id", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("first_run", sa.Integer, nullable=False),
        sa.Column("last_run", sa.Integer, nullable=False),
        sa.Column("gone_run", sa.Integer),
    )
    op.execute("INSERT INTO imgscan_versions (version) VALUES (1)")
