"""Applies sql/migrations/0003_views_and_roles.sql."""

from __future__ import annotations

from alembic import op

from recommender_job.storage.paths import sql_folder

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Runs the SQL file."""
    op.get_bind().exec_driver_sql((sql_folder() / "migrations" / "0003_views_and_roles.sql").read_text("utf-8"))
