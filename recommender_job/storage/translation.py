"""What the database's driver raises, as the job's errors that say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2
import psycopg2.errors
import sqlalchemy as sa

from recommender_job.errors import (
    ConfigurationError,
    DatabaseAway,
    PublicationBusy,
    RecommenderError,
    SchemaMissing,
    StorageFailed,
)


@contextlib.contextmanager
def translated(*, writes: bool = True) -> Iterator[None]:
    """Turns what the driver raises into the job's errors.

    Args:
        writes: Whether what runs may write; where not, that it cannot is no trouble of the server's.

    Raises:
        SchemaMissing: A table, view, column or schema is not there.
        ConfigurationError: The role may not do this.
        StorageFailed: The database's disk is full.
        PublicationBusy: A lock was not to be had in time.
        DatabaseAway: The server cannot be reached, dropped the connection, or only reads, as a standby does.
    """
    try:
        yield
    except RecommenderError:
        raise
    except (sa.exc.DBAPIError, psycopg2.Error) as error:
        origin = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        text = said(origin)
        if isinstance(
            origin,
            psycopg2.errors.UndefinedTable | psycopg2.errors.UndefinedColumn | psycopg2.errors.InvalidSchemaName,
        ):
            raise SchemaMissing(f"The database says: {text}", action="Run `recommender-job migrate`.") from error
        if isinstance(origin, psycopg2.errors.InsufficientPrivilege):
            raise ConfigurationError(
                f"The database says: {text}",
                action="Grant the job's account recommender_reader and recommender_writer; what they may do is in"
                " `sql/migrations/0003_views_and_roles.sql` and the files after it.",
            ) from error
        if isinstance(origin, psycopg2.ProgrammingError) and origin.pgcode is None:
            raise ConfigurationError(f"The driver says: {text}", action="Correct `database_url`.") from error
        if isinstance(origin, psycopg2.errors.DuplicateSchema | psycopg2.errors.DuplicateTable):
            raise ConfigurationError(
                f"The database says: {text}",
                action="The job makes the schemas `recommender` and `website` itself; give it a database without them.",
            ) from error
        if isinstance(origin, psycopg2.errors.DiskFull):
            raise StorageFailed(f"The database says: {text}", action="Free the database's disk, then retry.") from error
        if isinstance(origin, psycopg2.errors.LockNotAvailable):
            raise PublicationBusy(f"The database says: {text}", action="Retry when the other run has ended.") from error
        if isinstance(origin, psycopg2.errors.QueryCanceled | psycopg2.errors.DeadlockDetected):
            raise DatabaseAway(f"The database ended the statement: {text}", action="Retry.") from error
        if writes and isinstance(origin, psycopg2.errors.ReadOnlySqlTransaction):
            raise DatabaseAway(
                f"The database can only be read: {text}",
                action="It may be a standby after a failover: let `database_url` lead to the server that takes writes,"
                " then retry.",
            ) from error
        # Of a connection that breaks in the middle of a statement the driver makes an error without a kind or a code.
        broken = type(origin) is psycopg2.DatabaseError and origin.pgcode is None
        if broken or isinstance(origin, psycopg2.OperationalError | psycopg2.InterfaceError):
            raise DatabaseAway(
                f"The database cannot be reached: {text}",
                action="Check that PostgreSQL runs and that `database_url` names it, then retry.",
            ) from error
        raise


def said(error: BaseException | None, *, where: bool = False) -> str:
    """What the database says of an error, in a line.

    Without its context, which may be a row that was copied, such as a place in a user's list.

    Args:
        error: Of the driver.
        where: Also tell the line of the statement; parameters stand in it.
    """
    diagnosis = getattr(error, "diag", None)
    parts = [str(error)]  # of the driver itself, or of a server that cannot be reached
    if diagnosis is not None and diagnosis.message_primary is not None:
        parts = [diagnosis.message_primary, diagnosis.message_detail or "", diagnosis.message_hint or ""]
        if where and diagnosis.statement_position is not None:
            parts.insert(1, str(error).removeprefix(parts[0]).strip().splitlines()[0])
    return " ".join(" ".join(parts).split())
