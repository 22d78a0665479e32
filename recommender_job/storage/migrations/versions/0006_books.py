"""Applies sql/migrations/0006_books.sql."""

from __future__ import annotations

from alembic import op

from recommender_job.storage.paths import sql_folder

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Runs the SQL file."""
    op.get_bind().exec_driver_sql((sql_folder() / "migrations" / "0006_books.sql").read_text("utf-8"))
