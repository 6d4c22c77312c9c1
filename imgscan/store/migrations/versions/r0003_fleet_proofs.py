"""Which blobs were seen to unpack to which layer of a fleet."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "imgscan_fleet_proofs",
        sa.Column("layer", _ID, sa.ForeignKey("imgscan_fleet_layers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
    )
    # For versions without Alembic, which look here and nowhere else.
    op.execute("INSERT INTO imgscan_versions (version) VALUES (3)")
