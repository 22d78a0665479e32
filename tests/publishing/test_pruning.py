"""Old publications go, but never under somebody's feet."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from recommender_job.errors import NotPublished, PublicationBusy
from recommender_job.publishing.pruning import held, prune
from recommender_job.publishing.publications import publications, rollback
from recommender_job.storage import partitions


def read_publication(connection: Any, publication_id: int) -> None:
    """Opens a transaction that has looked at a publication and may look at it again."""
    cursor = connection.cursor()
    cursor.execute("set transaction isolation level repeatable read")
    cursor.execute("select count(*) from recommender.recommendation where publication_id = %s", (publication_id,))
    assert cursor.fetchone()[0] > 0


def held_by_a_reader(website: Any, connect: Any) -> Any:
    """Four nights; a reader still looks at the first one when it is to be dropped, and keeps it from going."""
    for day in range(4):
        website.publish(f"night {day}", days=day, keep_publications=9)
    reader = connect()
    read_publication(reader, 1)
    assert partitions.drop(website.database, [1], patience_seconds=1) == []
    return reader


def test_what_a_reader_held_back_goes_the_next_time(website: Any, connect: Any) -> None:
    reader = held_by_a_reader(website, connect)
    assert held(website.database) == []  # still on record
    with website.database.transaction() as transaction:
        transaction.run("delete from recommender.publication where publication_id = 1")
    assert held(website.database) == [1]
    reader.close()
    # By the next night a newer publication is to go as well.
    assert sorted(prune(website.database, 2)) == [1, 2]
    assert held(website.database) == []
    assert website.partitions() == ["recommendation_3", "recommendation_4"]
    assert website.values("select publication_id from recommender.publication order by 1") == [3, 4]


def test_rolling_back_never_empties_the_website(website: Any, connect: Any) -> None:
    held_by_a_reader(website, connect)
    with contextlib.suppress(NotPublished):
        rollback(website.database, 1)
    assert website.shown()


def test_publishing_goes_on_while_a_reader_holds_back_an_old_publication(website: Any, connect: Any) -> None:
    held_by_a_reader(website, connect)
    assert website.publish("night 4", days=4, keep_publications=9)["published"] is True
    assert {row["publication_id"] for row in website.shown()} == {5}


def test_rolling_back_during_pruning_never_empties_the_website(website: Any, connect: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day, keep_publications=9)
    reader = connect()
    read_publication(reader, 2)
    # Pruning begins with publication 2 and waits for its reader; publication 1 is next.
    errors: list[Exception] = []

    def work() -> None:
        try:
            prune(website.database, 1)
        except Exception as error:
            errors.append(error)

    pruner = threading.Thread(target=work, daemon=True)
    pruner.start()
    waiting = "select count(*) from pg_stat_activity where query like '%detach partition%' and wait_event_type = 'Lock'"
    deadline = time.monotonic() + 60
    while website.values(f"{waiting} and pid <> pg_backend_pid()") == [0]:
        assert time.monotonic() < deadline, "pruning does not wait for the reader"
        time.sleep(0.05)
    with contextlib.suppress(NotPublished, PublicationBusy):
        rollback(website.database, 1)
    reader.close()
    pruner.join(60)
    assert {row["publication_id"] for row in website.shown()} == {website.active()}
    assert errors == []
    assert website.active() in {row["publication_id"] for row in publications(website.database)}


def test_two_who_prune_at_once_both_end_well(website: Any, connect: Any) -> None:
    reader = held_by_a_reader(website, connect)
    gone: list[list[int]] = []
    pruners = [threading.Thread(target=lambda: gone.append(partitions.drop(website.database, [1]))) for _ in range(2)]
    for pruner in pruners:
        pruner.start()
    waiting = "select count(*) from pg_stat_activity where query ilike '%detach%' and wait_event_type = 'Lock'"
    while all(pruner.is_alive() for pruner in pruners) and website.values(waiting)[0] < 1:
        time.sleep(0.01)
    reader.close()
    for pruner in pruners:
        pruner.join(60)
    assert len(gone) == 2  # neither raised; what both left to the other goes the next time
    partitions.drop(website.database, [1])
    assert "recommendation_1" not in website.partitions()
