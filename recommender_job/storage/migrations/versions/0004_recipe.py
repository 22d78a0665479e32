"""Applies sql/migrations/0004_recipe.sql."""

from __future__ import annotations

from alembic import op

from recommender_job.storage.paths import sql_folder

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Runs the SQL file."""
    op.get_bind().exec_driver_sql((sql_folder() / "migrations" / "0004_recipe.sql").read_text("utf-8"))
