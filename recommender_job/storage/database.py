"""PostgreSQL: transactions, statements with parameters, COPY, and errors that say what to do.

Only `Database.transaction` commits; everything that gets a `Transaction` works inside it. No message carries the
password: only what the driver says of the server is passed on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

import psycopg2
import psycopg2.sql
import sqlalchemy as sa
import tenacity

from recommender_job.config import Config
from recommender_job.errors import ConfigurationError
from recommender_job.storage import embedded
from recommender_job.storage.translation import translated

_DRIVER = "postgresql+psycopg2"
#: Bytes that COPY takes from a file at once.
_READ = 2**22


def database_url(config: Config) -> sa.URL:
    """URL of the configured database; without one, of the embedded server, which is started.

    Raises:
        ConfigurationError: The setting is no PostgreSQL URL.
    """
    if config.database_url is None:
        return embedded.start(config.home)
    secret = config.database_url.get_secret_value()
    try:
        url = sa.make_url(secret)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        # The text itself is not shown: it may hold a password.
        raise ConfigurationError(
            "`database_url` is not a PostgreSQL URL.", action="Write postgresql://user:password@host:5432/database."
        )
    if "@" in (url.host or ""):
        # Without escaping, the rest of the password would be taken for the host, and shown.
        raise ConfigurationError(
            "`database_url` has an `@` in its host.", action="Write an `@` in the password as %40, a `/` as %2F."
        )
    return url.set(drivername=_DRIVER)


def plain_url(url: sa.URL) -> str:
    """The URL as psql and psycopg2 take it, password included."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class Database:
    """One database.

    Args:
        url: As `database_url` returns it.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.engine = sa.create_engine(
            url,
            # A task holds one connection for a short time; a pool would only outlive forks and server restarts.
            poolclass=sa.NullPool,
            hide_parameters=True,  # in the text of an error they would tell rows
            connect_args={
                "connect_timeout": 10,
                "application_name": "recommender-job",
                "client_encoding": "UTF8",
                # What COPY writes is read as this, however the server or the role is set.
                # A statement of a night may take long, and so may the work between two, whatever is set for people.
                "options": "-c timezone=UTC -c extra_float_digits=1"
                " -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0",
            },
        )
        sa.event.listen(self.engine, "connect", _without_transaction_timeout)

    @classmethod
    def of(cls, config: Config) -> Database:
        """The database of a configuration."""
        return cls(database_url(config))

    @contextlib.contextmanager
    def transaction(self, *, snapshot: bool = False) -> Iterator[Transaction]:
        """One transaction, committed at the end of the block, rolled back when it raises.

        Args:
            snapshot: Read-only, and every statement sees the same moment.

        Raises:
            DatabaseAway, SchemaMissing, ConfigurationError, StorageFailed: see `translated`.
        """
        with translated(writes=not snapshot), self._connect() as connection:
            if snapshot:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Transaction(connection)

    @contextlib.contextmanager
    def autocommit(self) -> Iterator[Transaction]:
        """Statements that PostgreSQL refuses inside a transaction; each commits by itself."""
        with translated(), self._connect() as connection:
            yield Transaction(connection.execution_options(isolation_level="AUTOCOMMIT"))

    def _connect(self) -> sa.Connection:
        # A server that restarts is back within seconds; anything longer is for the task's own retries.
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(sa.exc.OperationalError),
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_exponential(multiplier=0.5),
            reraise=True,
        ):
            with attempt:
                return self.engine.connect()
        raise AssertionError("unreachable: the last attempt raises")


def _without_transaction_timeout(connection: Any, _: Any) -> None:
    """Likewise for whole transactions; servers before PostgreSQL 17 refuse a connection that names this setting."""
    connection.autocommit = True
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout'")
    connection.autocommit = False


class Transaction:
    """Statements in one open transaction. Never commits."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a query with `:name` parameters."""
        return [dict(row) for row in self._connection.execute(sa.text(sql), parameters).mappings()]

    def row(self, sql: str, **parameters: Any) -> dict[str, Any] | None:
        """The first row of a query, None when there is none."""
        found = self._connection.execute(sa.text(sql), parameters).mappings().first()
        return None if found is None else dict(found)

    def run(self, sql: str, **parameters: Any) -> int:
        """Executes a statement; returns how many rows it touched (-1 where that means nothing)."""
        return self._connection.execute(sa.text(sql), parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[dict[str, Any]]) -> None:
        """Executes a statement once for each row of parameters."""
        if rows:
            self._connection.execute(sa.text(sql), list(rows))

    def define(self, template: str, names: dict[str, str], **literals: Any) -> int:
        """Executes DDL, which takes no parameters: `{name}` becomes a quoted identifier or literal.

        Args:
            template: The statement.
            names: Identifiers, dots separate schema and name.
            literals: Values.

        Returns:
            How many rows it touched, -1 where that means nothing.
        """
        parts: dict[str, psycopg2.sql.Composable] = {
            key: psycopg2.sql.Identifier(*name.split(".", 1)) for key, name in names.items()
        }
        parts |= {key: psycopg2.sql.Literal(value) for key, value in literals.items()}
        with self._cursor() as cursor:
            cursor.execute(psycopg2.sql.SQL(template).format(**parts))
            return int(cursor.rowcount)

    def copy_out(self, query: str, parameters: dict[str, Any], sink: IO[bytes], *, binary: bool = False) -> int:
        """Writes a query's rows into `sink`, as CSV with a header or in PostgreSQL's binary format.

        Args:
            query: With `%(name)s` parameters.
            parameters: Their values.
            sink: A binary file. What its `write` raises ends the COPY and is raised here.
            binary: Which of the two.

        Returns:
            Rows written.
        """
        with self._cursor() as cursor:
            bound = cursor.mogrify(query, parameters).decode()
            try:
                form = "format binary" if binary else "format csv, header true"
                cursor.copy_expert(f"copy ({bound}) to stdout with ({form})", sink)
            except psycopg2.Error:
                raise
            except BaseException:
                cursor.connection.cancel()  # or the rollback would first receive all the rows that are left
                raise
            return int(cursor.rowcount)

    def copy_in(
        self, table: str, columns: Sequence[str], source: IO[bytes], *, binary: bool = False, freeze: bool = False
    ) -> int:
        """Loads CSV without a header, or PostgreSQL's binary format, into a table.

        Args:
            table: Its name, with its schema.
            columns: Those that the file holds, in this order.
            source: The file. In CSV, an empty unquoted field is null.
            binary: Which of the two.
            freeze: Marks rows as old at once, so that nobody has to write to the table again. Only for a table that
                this transaction has made.

        Returns:
            Rows loaded.
        """
        statement = psycopg2.sql.SQL(
            "copy {table} ({columns}) from stdin with (format {form}, freeze {freeze})"
        ).format(
            form=psycopg2.sql.SQL("binary" if binary else "csv"),
            freeze=psycopg2.sql.SQL("true" if freeze else "false"),
            table=psycopg2.sql.Identifier(*table.split(".")),
            columns=psycopg2.sql.SQL(", ").join(map(psycopg2.sql.Identifier, columns)),
        )
        with self._cursor() as cursor:
            cursor.copy_expert(statement, source, _READ)
            return int(cursor.rowcount)

    def count(self, table: str) -> int:
        """Rows of a table."""
        with self._cursor() as cursor:
            cursor.execute(
                psycopg2.sql.SQL("select count(*) from {}").format(psycopg2.sql.Identifier(*table.split(".")))
            )
            return int(cursor.fetchone()[0])

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Undoes what the block did when it raises, and nothing before it: the transaction goes on."""
        with self._connection.begin_nested():
            yield

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        with contextlib.closing(self._connection.connection.cursor()) as cursor:
            yield cursor
