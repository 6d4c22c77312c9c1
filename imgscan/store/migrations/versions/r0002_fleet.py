"""The tables of a fleet: results of layers and images, runs, findings over time."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of a fleet."""
    _make_results()
    _make_runs()
    _make_findings()
    # For versions without Alembic, which look here and nowhere else.
    op.execute("INSERT INTO imgscan_versions (version) VALUES (2)")


def _make_results() -> None:
    op.create_table(
        "imgscan_fleet_settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "imgscan_fleet_rulesets",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("rules", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "imgscan_fleet_layers",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("ruleset", sa.Integer, sa.ForeignKey("imgscan_fleet_rulesets.id"), nullable=False),
        sa.Column("diff_id", sa.Text, nullable=False),
        sa.Column("summary", sa.LargeBinary, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("used_on", sa.Integer, nullable=False),
        sa.UniqueConstraint("ruleset", "diff_id", name="uq_imgscan_fleet_layers"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "imgscan_fleet_blocks",
        sa.Column("layer", _ID, sa.ForeignKey("imgscan_fleet_layers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "imgscan_fleet_images",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("ruleset", sa.Integer, sa.ForeignKey("imgscan_fleet_rulesets.id"), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.Column("layers", sa.LargeBinary, nullable=False),
        sa.Column("used_on", sa.Integer, nullable=False),
        sa.UniqueConstraint("ruleset", "key", name="uq_imgscan_fleet_images"),
    )


def _make_runs() -> None:
    op.create_table(
        "imgscan_fleet_runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("token", sa.Text, nullable=False, unique=True),
        sa.Column("ruleset", sa.Integer, sa.ForeignKey("imgscan_fleet_rulesets.id"), nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("gone", sa.Text, nullable=False),
        sa.Column("forgotten", sa.Boolean, nullable=False),
    )
    op.create_table(
        "imgscan_fleet_names",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("last_run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), nullable=False),
        sa.Column("gone_at", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "imgscan_fleet_looks",
        sa.Column("image", _ID, sa.ForeignKey("imgscan_fleet_names.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), primary_key=True),
    )
    op.create_table(
        "imgscan_fleet_run_images",
        sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), primary_key=True),
        sa.Column("image", _ID, sa.ForeignKey("imgscan_fleet_names.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("first", sa.Boolean, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("findings", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_imgscan_fleet_run_images_image", "imgscan_fleet_run_images", ["image"])
    op.create_index("ix_imgscan_fleet_run_images_result", "imgscan_fleet_run_images", ["result"])


def _make_findings() -> None:
    op.create_table(
        "imgscan_fleet_findings",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("image", _ID, sa.ForeignKey("imgscan_fleet_names.id", ondelete="CASCADE"), nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("rule_id", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("fixed_at", sa.Text),
        sa.Column("silent", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_imgscan_fleet_findings_image", "imgscan_fleet_findings", ["image"])
    op.create_table(
        "imgscan_fleet_changes",
        sa.Column("finding", _ID, sa.ForeignKey("imgscan_fleet_findings.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("run", sa.Integer, sa.ForeignKey("imgscan_fleet_runs.id"), primary_key=True),
        sa.Column("change", sa.Text, nullable=False),
    )
    open_ones = sa.text("fixed_at IS NULL")
    op.create_index(
        "uq_imgscan_fleet_findings_open",
        "imgscan_fleet_findings",
        ["image", "fingerprint"],
        unique=True,
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )
