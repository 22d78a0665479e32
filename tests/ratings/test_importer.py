"""Importing files: what lands in the tables, and that doing it again is safe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender_job.ratings import reader
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.storage.database import Database
from tests.ratings.conftest import NOW, Import
from tests.ratings.worlds import dump

TABLES = ("website.users", "website.experiences", "website.experience_spellings", "website.ratings")

#: Lines that often repeat a user, an experience (in several spellings), a minute, or everything.
LINES = st.lists(
    st.builds(
        "{},{},{},2023-01-01 10:0{}".format,
        st.integers(1, 3),
        st.sampled_from(["Bono A", "bono  a", "BONO A ", "B"]),
        st.integers(1, 5),
        st.integers(0, 2),
    ),
    max_size=8,
)
on_a_database = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def counts(**changed: int) -> dict[str, int]:
    nothing = {"read": 0, "imported": 0, "corrected": 0, "unchanged": 0, "users": 0, "experiences": 0, "rejected": 0}
    return {**nothing, **changed}


def events(database: Database) -> list[tuple[object, ...]]:
    with database.transaction() as transaction:
        rows = transaction.rows(
            "select user_id, name, to_char(rated_at, 'MM-DD HH24:MI') as rated_at, occurrence, rating"
            " from website.ratings inner join website.experiences using (experience_id)"
            " order by user_id, name, rated_at, occurrence"
        )
    return [tuple(row.values()) for row in rows]


def shown_names(database: Database) -> list[str]:
    with database.transaction() as transaction:
        return [row["name"] for row in transaction.rows("select name from website.experiences order by experience_id")]


def test_every_line_becomes_an_event_in_utc(database: Database, import_lines: Import) -> None:
    found = import_lines(["1,A,5,2023-01-01 10:00", "1,B,3.5,2023-01-01T10:00+02:00", "2,A,1,2023-01-01 19:30"])
    assert found == counts(read=3, imported=3, users=2, experiences=2)
    assert events(database) == [
        (1, "A", "01-01 15:00", 1, 5.0),
        (1, "B", "01-01 08:00", 1, 3.5),
        (2, "A", "01-02 00:30", 1, 1.0),
    ]


def test_spanish_headers_and_another_zone(
    database: Database, import_file: Import, write_csv: Callable[..., Path]
) -> None:
    header = "ID_CLIENTE,FECHA_INTERACCION,NOMBRE_CORTO_DE_EXPERIENCIA,CALIFICACION"
    import_file(write_csv(["7,1/4/2021 9:47,Café,4"], header), timezone="Europe/Madrid")
    assert events(database) == [(7, "Café", "01-04 08:47", 1, 4.0)]


def test_misspelt_twins_are_one_experience_under_its_most_frequent_spelling(
    database: Database, import_lines: Import
) -> None:
    lines = ["1,BONO A,5,2023-01-01", "2,Bono  A ,5,2023-01-01", "3,Bono A,4,2023-01-01", "4,B,4,2023-01-01"]
    assert import_lines(lines) == counts(read=4, imported=4, users=4, experiences=2)
    assert shown_names(database) == ["Bono A", "B"]
    # A later file may tip the balance; the experience stays the same.
    more = [*lines, "5,BONO A,5,2023-01-02", "6,BONO A,5,2023-01-02"]
    assert import_lines(more) == counts(read=6, imported=2, unchanged=4, users=6, experiences=2)
    assert shown_names(database) == ["BONO A", "B"]


def test_the_same_event_twice_in_a_file_is_two_events(database: Database, import_lines: Import) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "1,A,2,2023-01-01 10:00", "1,a,5,2023-01-01 10:00"])
    assert [event[3:] for event in events(database)] == [(1, 5.0), (2, 2.0), (3, 5.0)]


def test_of_events_within_a_minute_the_one_further_down_is_updated_last(
    database: Database, import_lines: Import
) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "2,A,5,2023-01-01 10:00", "1,A,2,2023-01-01 10:00"])
    with database.transaction() as transaction:
        rows = transaction.rows("select user_id, occurrence from website.ratings order by updated_at desc")
    assert [tuple(row.values()) for row in rows] == [(1, 2), (2, 1), (1, 1)]


def test_a_changed_rating_of_a_known_event_is_a_correction(database: Database, import_lines: Import) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "2,A,4,2023-01-01 10:00"])
    before = {row["user_id"]: row for row in dump(database, "website.ratings")["website.ratings"]}
    found = import_lines(["1,A,3,2023-01-01 10:00", "2,A,4,2023-01-01 10:00"])
    assert found == counts(read=2, corrected=1, unchanged=1, users=2, experiences=1)
    after = {row["user_id"]: row for row in dump(database, "website.ratings")["website.ratings"]}
    assert after[1]["rating"] == 3.0
    assert after[1]["updated_at"] > before[1]["updated_at"]
    assert after[2] == before[2]


def test_a_file_without_lines_changes_nothing(database: Database, import_lines: Import) -> None:
    assert import_lines([]) == counts()
    assert events(database) == []


def test_progress_is_told_after_each_batch(
    database: Database, write_csv: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BATCH_LINES", 2)
    file = write_csv(["1,A,5,2023-01-01", "x,A,5,2023-01-01", "3,A", "4,A", "5,A,5,2023-01-01"])
    told: list[int] = []
    found = import_ratings(database, file, Columns(), now=NOW, scale=(1, 5), progress=told.append)
    assert told == [2, 4, 5]
    assert found == counts(read=5, imported=2, rejected=3, users=2, experiences=1)


def test_a_failure_half_way_leaves_nothing_behind(database: Database, write_csv: Callable[..., Path]) -> None:
    def fail(lines: int) -> None:
        raise RuntimeError("interrupted")

    file = write_csv(["1,A,5,2023-01-01", "2,A", "3,B,5,2023-01-01"])
    with pytest.raises(RuntimeError, match="interrupted"):
        import_ratings(database, file, Columns(), now=NOW, scale=(1, 5), progress=fail)
    assert not any(dump(database, *TABLES, "recommender.quarantine").values())


@on_a_database
@given(lines=LINES)
def test_importing_the_same_file_again_changes_nothing(
    database: Database, import_lines: Import, lines: list[str]
) -> None:
    _empty(database)
    first = import_lines(lines)
    assert (first["imported"], first["corrected"], first["unchanged"]) == (len(lines), 0, 0)
    before = dump(database, *TABLES)
    again = import_lines(lines)
    assert again == {**first, "imported": 0, "unchanged": len(lines)}
    assert dump(database, *TABLES) == before


@on_a_database
@given(lines=LINES, more=LINES)
def test_importing_a_superset_adds_only_the_new_lines(
    database: Database, import_lines: Import, lines: list[str], more: list[str]
) -> None:
    _empty(database)
    import_lines(lines)
    found = import_lines([*lines, *more])
    assert (found["imported"], found["corrected"], found["unchanged"]) == (len(more), 0, len(lines))
    in_two_steps = events(database)
    _empty(database)
    import_lines([*lines, *more])
    assert in_two_steps == events(database)


def _empty(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run(f"truncate {', '.join(TABLES)} restart identity")


def test_the_clock_is_an_argument(database: Database, write_csv: Callable[..., Path]) -> None:
    file = write_csv(["1,A,5,2023-01-01T10:00Z", "2,A,5,2023-01-01T10:01Z"])
    now = datetime(2023, 1, 1, 10, 0, tzinfo=UTC)
    assert import_ratings(database, file, Columns(), now=now, scale=(1, 5))["rejected"] == 1
    assert [event[0] for event in events(database)] == [1]
