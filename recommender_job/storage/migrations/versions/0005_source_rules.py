"""Applies sql/migrations/0005_source_rules.sql."""

from __future__ import annotations

from alembic import op

from recommender_job.storage.paths import sql_folder

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Runs the SQL file."""
    op.get_bind().exec_driver_sql((sql_folder() / "migrations" / "0005_source_rules.sql").read_text("utf-8"))
