"""Applies sql/migrations/0008_live_before.sql."""

from __future__ import annotations

from alembic import op

from recommender_job.storage.paths import sql_folder

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Runs the SQL file."""
    op.get_bind().exec_driver_sql((sql_folder() / "migrations" / "0008_live_before.sql").read_text("utf-8"))
