"""Reading the refused lines of imported files again: the outcome is that of importing the whole file today."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender_job.errors import BadFile
from recommender_job.ratings.quarantine import refused_rows
from recommender_job.ratings.replay_file import read_file_again
from recommender_job.storage.database import Database
from tests.ratings.conftest import NOW, Import
from tests.ratings.worlds import dump

ORIGIN = "import ratings.csv"
TABLES = (
    "website.users",
    "website.experiences",
    "website.ratings",
    "recommender.quarantine",
    "recommender.imported_file",
)
Again = Callable[..., dict[str, Any]]

#: Lines of few users, experiences and minutes; ratings above 5 are refused at first.
LINES = st.lists(
    st.builds(
        "{},{},{},2023-01-01 10:0{}".format, st.just(1), st.sampled_from("AB"), st.integers(4, 7), st.integers(0, 1)
    ),
    min_size=1,
    max_size=9,
)
on_a_database = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def again(database: Database) -> Again:
    """Reads the refused lines of the file again."""

    def work(scale: tuple[float, float] = (1, 10), origin: str = ORIGIN, **options: Any) -> dict[str, Any]:
        told = read_file_again(database, origin, now=NOW, scale=scale, **options)
        assert told.pop("origin") == origin
        return told

    return work


def counts(**changed: int) -> dict[str, int]:
    return {"read": 0, "imported": 0, "known": 0, "refused": 0, "not_repeatable": 0, **changed}


def events(database: Database) -> list[tuple[Any, ...]]:
    """All events by user and moment, in the order in which they count as updated."""
    with database.transaction() as transaction:
        rows = transaction.rows(
            "select user_id, to_char(rated_at, 'HH24:MI') as minute, name_key, occurrence, rating"
            " from website.ratings inner join website.experiences using (experience_id)"
            " order by user_id, rated_at, ratings.updated_at, ratings.ctid"
        )
    return [tuple(row.values()) for row in rows]


def empty(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run(f"truncate {', '.join(TABLES)} restart identity cascade")


def test_lines_are_imported_under_todays_scale_and_leave_the_quarantine(
    database: Database, import_lines: Import, again: Again
) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "2,B,9,2023-01-01 10:00", "3,C,11,2023-01-01 10:00", "x,C,1,2023-01-01"])
    assert again() == counts(read=3, imported=1, refused=2)
    assert events(database) == [(1, "15:00", "a", 1, 5.0), (2, "15:00", "b", 1, 9.0)]
    left = sorted(refused_rows(database), key=lambda row: row["line"])
    assert [(row["line"], row["column_name"], row["reason"]) for row in left] == [
        (4, "rating", "is outside the scale 1 to 10"),
        (5, "user", "is not a whole number of 64 bits"),
    ]
    assert again() == counts(read=2, refused=2)


def test_many_lines_are_read_in_parts(
    database: Database, import_lines: Import, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_lines(["0,A,5,2023-01-01", *(f"{user},A,{9 + user % 2},2023-01-01" for user in range(1, 10))])
    monkeypatch.setattr("recommender_job.ratings.replay_file.PART_ROWS", 2)
    monkeypatch.setattr("recommender_job.ratings.reader.BATCH_LINES", 3)
    assert again((1, 9)) == counts(read=9, imported=4, refused=5)
    assert [row["line"] for row in refused_rows(database)] == [3, 5, 7, 9, 11]


def test_a_late_line_does_not_overtake_those_below_it(database: Database, import_lines: Import, again: Again) -> None:
    import_lines(["1,A,9,2023-01-01 10:00", "1,B,4,2023-01-01 10:00", "1,A,5,2023-01-01 10:00"])
    again()
    assert events(database) == [(1, "15:00", "a", 1, 9.0), (1, "15:00", "b", 1, 4.0), (1, "15:00", "a", 2, 5.0)]


def test_what_was_moved_behind_a_late_line_is_read_by_the_next_night(
    database: Database, import_lines: Import, again: Again, age: Callable[[str], None]
) -> None:
    import_lines(["1,A,9,2023-01-01 10:00", "1,B,4,2023-01-01 10:00", "1,C,4,2023-01-01 10:01"])
    with database.transaction() as transaction:
        before = transaction.rows("select max(updated_at) as at from website.ratings")[0]["at"]
    again()
    with database.transaction() as transaction:
        moved = transaction.rows(
            "select name from website.ratings inner join website.experiences using (experience_id)"
            " where updated_at > :before order by name",
            before=before,
        )
    assert [row["name"] for row in moved] == ["A", "B"]


@on_a_database
@given(lines=LINES, middle=st.integers(5, 7))
def test_the_outcome_is_that_of_importing_the_whole_file_today(
    database: Database, import_lines: Import, again: Again, lines: list[str], middle: int
) -> None:
    lines = ["1,C,4,2023-01-01 09:00", *lines]  # one line is readable, or nothing would be imported
    empty(database)
    import_lines(lines, scale=(1, 10))
    whole = events(database)
    empty(database)
    first = import_lines(lines)
    second, third = again((1, middle)), again()
    assert first["imported"] + second["imported"] + third["imported"] == len(lines)
    assert (second["known"], third["known"], third["refused"]) == (0, 0, 0)
    assert events(database) == whole
    assert refused_rows(database) == []
    before = dump(database, "website.ratings")
    assert import_lines(lines, scale=(1, 10))["unchanged"] == len(lines)
    assert dump(database, "website.ratings") == before


def test_lines_keep_their_places_from_one_replay_to_the_next(
    database: Database, import_lines: Import, again: Again
) -> None:
    written = ["1/1/2023 10:00", "2023-01-01 10:00", "2023-01-01 10:00", "2023-01-01 10:00"]
    import_lines([f"1,A,{rating},{moment}" for rating, moment in zip((5, 7, 5, 4), written, strict=True)])
    assert again((1, 5), date_format="%m/%d/%Y %H:%M") == counts(read=2, imported=1, refused=1)
    assert [event[3:] for event in events(database)] == [(1, 5.0), (2, 5.0), (3, 4.0)]
    assert again() == counts(read=1, imported=1)
    assert [event[3:] for event in events(database)] == [(1, 5.0), (2, 7.0), (3, 5.0), (4, 4.0)]


def test_what_one_replay_brought_stands_below_an_earlier_line_of_the_next(
    database: Database, import_lines: Import, again: Again
) -> None:
    import_lines([f"1,{name},2023-01-01 10:00" for name in ("A,7", "A,6", "B,6", "C,4")])
    assert again((1, 6))["imported"] == 2
    assert again()["imported"] == 1
    assert [(event[2], event[4]) for event in events(database)] == [("a", 7.0), ("a", 6.0), ("b", 6.0), ("c", 4.0)]


def test_a_rating_that_came_in_by_another_file_is_not_counted_again(
    database: Database, import_file: Import, again: Again, write_csv: Callable[..., Path]
) -> None:
    lines = ["1,A,9,2023-01-01 10:00", "1,A,5,2023-01-01 10:00", "2,A,9,2023-01-01 10:00"]
    import_file(write_csv(lines))
    import_file(write_csv(lines[:2], name="mended.csv"), scale=(1, 10))
    before = events(database)
    assert again() == counts(read=2, imported=1, known=1)
    assert events(database) == [*before, (2, "15:00", "a", 1, 9.0)]
    assert refused_rows(database) == []


def test_an_event_of_another_file_is_not_replaced(
    database: Database, import_file: Import, again: Again, write_csv: Callable[..., Path]
) -> None:
    import_file(write_csv(["1,A,5,2023-01-01 10:00"], name="older.csv"))
    import_file(write_csv(["1,A,5,2023-01-01 10:00", "1,A,9,2023-01-01 10:00"]))
    assert again() == counts(read=1, imported=1)
    assert events(database) == [(1, "15:00", "a", 1, 5.0), (1, "15:00", "a", 2, 9.0)]


def test_the_file_is_read_as_it_was_then(database: Database, import_file: Import, again: Again, tmp_path: Path) -> None:
    lines = ["stars;who;what;when", "4;1;Café; 31/01/2023 ", "9;2;Café;31/01/2023"]
    (tmp_path / "ratings.csv").write_bytes("\r\n".join(lines).encode("latin-1"))
    names = {"user": "who", "experience": "what", "rating": "stars", "rated_at": "when"}
    reading = {"date_format": "%d/%m/%Y", "timezone": "Asia/Tokyo", "delimiter": ";", "encoding": "latin-1"}
    import_file(tmp_path / "ratings.csv", **names, **reading)
    assert again() == counts(read=1, imported=1)
    assert events(database) == [(1, "15:00", "café", 1, 4.0), (2, "15:00", "café", 1, 9.0)]


def test_a_recognised_format_is_remembered(database: Database, import_lines: Import, again: Again) -> None:
    """The refused line alone could be read as something else, or not at all."""
    import_lines(["1,A,5,1/2/2023 10:00", "2,A,9,1/2/2023 10:00", "3,A,5,31/1/2023 10:00"])
    assert again() == counts(read=2, imported=1, refused=1)
    assert again(date_format="%d/%m/%Y %H:%M") == counts(read=1, imported=1)
    with database.transaction() as transaction:
        days = transaction.rows("select to_char(rated_at, 'DD.MM.') as day from website.ratings order by user_id")
    assert [row["day"] for row in days] == ["02.01.", "02.01.", "31.01."]


def test_a_zone_can_be_named(database: Database, import_lines: Import, again: Again) -> None:
    import_lines(["1,A,5,2022-03-27 12:00", "2,A,5,2022-03-27 02:30"], timezone="Europe/Madrid")
    assert again() == counts(read=1, refused=1)
    assert again(timezone="UTC") == counts(read=1, imported=1)
    assert events(database)[1][1] == "02:30"


@pytest.mark.parametrize(("options", "told"), [({"date_format": "%Q"}, "no date format"), ({"timezone": "X/Y"}, "X/Y")])
def test_a_format_or_zone_that_is_none_changes_nothing(
    database: Database, import_lines: Import, again: Again, options: dict[str, str], told: str
) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "2,A,9,2023-01-01 10:00"])
    before = dump(database, *TABLES)
    with pytest.raises(BadFile, match=told):
        again(**options)
    assert dump(database, *TABLES) == before


def test_lines_that_are_not_kept_as_written_stay(database: Database, import_bytes: Import, again: Again) -> None:
    import_bytes(b"user,experience,rating,rated_at\n1,A,5,2023-01-01\n2,Caf\xe9,5,2023-01-01\n3,B\0,5,2023-01-01\n")
    assert again() == counts(not_repeatable=2)
    assert len(refused_rows(database)) == 2
    assert [event[0] for event in events(database)] == [1]


def test_a_file_of_an_earlier_version_says_what_to_do(database: Database, import_lines: Import, again: Again) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "2,A,9,2023-01-01 10:00"])
    with database.transaction() as transaction:
        transaction.run("delete from recommender.imported_file")
    with pytest.raises(BadFile) as caught:
        again()
    assert "`import ratings.csv` was read is not known" in caught.value.cause
    assert caught.value.action == "Import it again: recommender-job import-ratings ratings.csv."
