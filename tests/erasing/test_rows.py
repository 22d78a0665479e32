"""Which refused rows speak of a user, and lists in partitions of every state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recommender_job.erasing.rows import erase_rows
from recommender_job.errors import PublicationBusy
from recommender_job.publishing.publications import lock
from recommender_job.storage import partitions
from recommender_job.storage.database import Database
from tests.storage.conftest import make_partition, publish_row

__all__ = ["make_partition", "publish_row"]


@pytest.fixture
def refused(database: Database) -> Callable[..., bool]:
    """Whether a refused row goes when a user is erased."""

    def work(user_id: int, content: str, user_text: str | None = None) -> bool:
        with database.transaction() as transaction:
            transaction.run("delete from recommender.quarantine")
            transaction.run(
                "insert into recommender.quarantine (origin, column_name, reason, content, user_text)"
                " values ('a file', 'rating', 'is bad', :content, :user_text), ('a file', 'x', 'x', 'a,b,c', 'Ana')",
                content=content,
                user_text=user_text,
            )
        publications, gone = erase_rows(database, user_id)
        assert publications == {}
        with database.transaction() as transaction:
            assert transaction.count("recommender.quarantine") == 2 - gone
        return gone == 1

    return work


@pytest.mark.parametrize("text", ["42", "042", "+42", " 42 ", "+0042\t", "42.0", '"42"', "42;", "\u00a042"])
def test_the_user_as_it_may_have_been_written(refused: Callable[..., bool], text: str) -> None:
    assert refused(42, "anything", text)


@pytest.mark.parametrize("text", ["-42", "420", "142", "4.2", "42.5", "4 2", "A42", "", "42e3"])
def test_somebody_else(refused: Callable[..., bool], text: str) -> None:
    # The content holds the number as well, as an experience perhaps: whose the row is, is known.
    assert not refused(42, f"{text},42,5", text)


@pytest.mark.parametrize("text", ["-42", " -042 ", "-42.0"])
def test_ids_below_zero(refused: Callable[..., bool], text: str) -> None:
    assert refused(-42, "anything", text)
    assert not refused(42, "anything", text)
    assert not refused(-42, "anything", "42")


def test_the_largest_id(refused: Callable[..., bool]) -> None:
    assert refused(2**63 - 1, "anything", "9223372036854775807")
    assert refused(-(2**63), "anything", "-9223372036854775808")
    assert not refused(2**63 - 1, "anything", "9223372036854775806")


@pytest.mark.parametrize(
    "content",
    ["42,Cena,x", "Cena;042;x", "a b 42", '"42', "x\n42,y", "42", "2023-01-01,-42", "4,42", "Cena 42 horas,7"],
)
def test_a_line_whose_user_cannot_be_told_goes_when_it_holds_the_id(refused: Callable[..., bool], content: str) -> None:
    assert refused(42, content)


@pytest.mark.parametrize("content", ["420,Cena", "142", "4,2", "1042", "cuarenta y dos"])
def test_and_stays_when_it_does_not(refused: Callable[..., bool], content: str) -> None:
    assert not refused(42, content)


@pytest.mark.parametrize("content", ["-42,Cena", "x,-042"])
def test_a_line_that_may_speak_of_an_id_below_zero(refused: Callable[..., bool], content: str) -> None:
    assert refused(-42, content)
    assert not refused(-42, content.replace("-", ""))


def test_a_line_that_swallowed_others_may_hold_the_user_further_down(refused: Callable[..., bool]) -> None:
    assert refused(42, '7,"Cena,5\n42,Cine,4', "7")
    assert refused(42, '7,"Cena,5\r42,Cine,4', "7")


@pytest.mark.parametrize("user_text", [None, "42"])
def test_a_nightly_row_of_the_user(refused: Callable[..., bool], user_text: str | None) -> None:
    assert refused(42, '{"user_id":42,"experience_id":7,"rating":99.0,"rated_at":"2023-01-01"}', user_text)
    assert refused(42, '{"user_id": 42}', user_text)


@pytest.mark.parametrize("user", [7, 420, -42])
def test_a_nightly_row_of_somebody_else_with_the_same_number_in_it(refused: Callable[..., bool], user: int) -> None:
    assert not refused(42, f'{{"user_id":{user},"experience_id":42,"rating":42.0,"rated_at":"2023-01-01T00:42"}}')


def test_lists_in_every_partition_whether_readers_see_it_or_not(
    database: Database, make_partition: Callable[..., None], publish_row: Callable[[int], None]
) -> None:
    for publication_id in (1, 2, 3):
        publish_row(publication_id)
        make_partition(publication_id)
    with database.transaction() as transaction:
        transaction.run("alter table recommender.recommendation detach partition recommender.recommendation_2")
        transaction.run("delete from recommender.publication where publication_id = 3")
        transaction.run("delete from recommender.recommendation where publication_id = 1 and user_id = 1 and rank = 2")
    assert erase_rows(database, 1) == ({"1": 1, "2": 2, "3": 2}, 0)
    with database.transaction() as transaction:
        assert [transaction.count(partitions.partition_of(one)) for one in (1, 2, 3)] == [1, 1, 1]
        books = transaction.rows("select publication_id, users, rows from recommender.publication order by 1")
    assert [tuple(row.values()) for row in books] == [(1, 1, 2), (2, 1, 1)]
    assert erase_rows(database, 1) == ({}, 0)


def test_a_table_that_pruning_has_just_dropped_is_passed_over(
    database: Database,
    make_partition: Callable[..., None],
    publish_row: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for publication_id in (1, 3):
        publish_row(publication_id)
        make_partition(publication_id)
    monkeypatch.setattr(partitions, "existing", lambda transaction: {1, 2, 3})
    assert erase_rows(database, 1) == ({"1": 2, "3": 2}, 0)
    with database.transaction() as transaction:
        assert [transaction.count(partitions.partition_of(one)) for one in (1, 3)] == [1, 1]


def test_nothing_is_deleted_while_somebody_publishes(
    database: Database, make_partition: Callable[..., None], publish_row: Callable[[int], None]
) -> None:
    publish_row(1)
    make_partition(1)
    with database.transaction() as publisher:
        lock(publisher)
        with pytest.raises(PublicationBusy):
            erase_rows(database, 1)
    with database.transaction() as transaction:
        assert transaction.count("recommender.recommendation") == 3
