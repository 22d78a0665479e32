"""Alembic's entry: one transaction, the version table in the job's own schema, one migrator at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from recommender_job.storage.schema import SCHEMA, VERSION_TABLE

with context.config.attributes["engine"].begin() as connection:
    connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('recommender migrations'))"))
    # Readers queue behind whoever waits to alter a table: while somebody publishes, give up and try again.
    connection.execute(sa.text("set local lock_timeout = '1s'"))
    connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
    context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=SCHEMA)
    context.run_migrations()
