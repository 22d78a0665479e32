"""Applies sql/migrations/0007_nights.sql."""

from __future__ import annotations

from alembic import op

from recommender_job.storage.paths import sql_folder

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Runs the SQL file."""
    op.get_bind().exec_driver_sql((sql_folder() / "migrations" / "0007_nights.sql").read_text("utf-8"))
