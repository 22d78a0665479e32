"""What may not be published is not published, and leaves nothing behind."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recommender_job import nightly
from recommender_job.errors import ArtifactBroken, OutputRefused, PublicationBusy, RunTooOld, StageMissing
from recommender_job.runs import Run
from recommender_job.scoring.score import lists_file
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import checksum


def change_json(folder: RunFolder, name: str, **changes: Any) -> None:
    file = Path(folder.url(name))
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_an_older_night_is_refused(website: Any) -> None:
    website.publish("newer", days=1)
    before = website.shown()
    with pytest.raises(RunTooOld, match="Run newer, with ratings through 2024-01-02 00:00 UTC, is active") as caught:
        website.publish("older", days=0.5)
    assert "this run only sees ratings through 2024-01-01 12:00 UTC" in caught.value.cause
    assert "allow_older" in caught.value.action
    assert website.shown() == before
    assert website.partitions() == ["recommendation_1"]


def test_an_older_night_is_refused_before_hours_of_training(website: Any) -> None:
    newer = website.publish("newer", days=1)
    older = Run("older", website.rows("select data_through from recommender.publication")[0]["data_through"])
    config = website.make_config()
    assert nightly.extract(config, older)["snapshot"] == 0  # as old as what is active: not too old
    older = Run("older", older.cutoff - timedelta(microseconds=1))
    with pytest.raises(RunTooOld, match="Run newer, ") as caught:
        nightly.extract(config, older)
    assert (caught.value.run_id, caught.value.stage) == ("older", "extract")
    assert website.active() == newer["publication_id"]
    assert nightly.extract(website.make_config({"allow_older": True}), older)["snapshot"] == 0


def test_an_older_night_on_purpose(website: Any) -> None:
    website.publish("newer", days=1)
    assert website.publish("older", allow_older=True)["published"] is True
    assert website.active() == 2


def test_an_older_night_may_be_tried_dry(website: Any) -> None:
    website.publish("newer", days=1)
    assert website.publish("older", dry_run=True)["published"] is False
    assert website.active() == 1


def test_another_night_of_the_same_cutoff_is_not_too_old(website: Any) -> None:
    website.publish("one")
    assert website.publish("two")["published"] is True


def spoil_version(folder: RunFolder) -> None:
    change_json(folder, "finished/score-0001.json", model_version="0123456789ab")


def spoil_rows(folder: RunFolder) -> None:
    folder.write_table(lists_file(1), folder.read_frame(lists_file(1)).iloc[:-1])


def spoil_order(folder: RunFolder) -> None:
    """Two users get one another's lists: as many rows as before, and perhaps good ones for both."""
    table = folder.read_table(lists_file(1))
    change_json(folder, "finished/score-0001.json", checksum=checksum(table))
    place = pa.array([*range(5, 10), *range(5), *range(10, len(table))])
    folder.write_table(lists_file(1), table.set_column(2, "experience_id", table["experience_id"].take(place)))


def spoil_list(folder: RunFolder) -> None:
    lists = folder.read_frame(lists_file(1)).iloc[:-1]
    folder.write_table(lists_file(1), lists)
    change_json(folder, "finished/score-0001.json", rows=len(lists))


def spoil_rating(folder: RunFolder) -> None:
    lists = folder.read_frame(lists_file(1))
    folder.write_table(lists_file(1), lists.assign(predicted_rating=lists["predicted_rating"] + np.float32(9)))


def spoil_file(folder: RunFolder) -> None:
    file = Path(folder.url(lists_file(1)))
    file.write_bytes(file.read_bytes()[:-100])


SPOILT = {
    spoil_version: (OutputRefused, "The shards were not all scored by tonight's model"),
    spoil_rows: (OutputRefused, "rows but its file holds"),
    spoil_order: (OutputRefused, "Shard 1 wrote other rows than its file holds"),
    spoil_list: (OutputRefused, "1 users break the contract; each has a list of the wrong length"),
    spoil_rating: (OutputRefused, "has a predicted rating outside the scale"),
    spoil_file: (ArtifactBroken, "lists-0001.parquet is damaged"),
}


def test_a_checksum_that_is_right_is_published(website: Any, spoilable: RunFolder) -> None:
    change_json(spoilable, "finished/score-0001.json", checksum=checksum(spoilable.read_table(lists_file(1))))
    assert website.publish(folder=spoilable)["published"] is True


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_is_refused_leaves_nothing_behind(website: Any, spoilable: RunFolder, spoil: Any) -> None:
    website.publish("good")
    before = website.shown(), website.rows("select * from recommender.publication")
    default = website.rows("select * from recommender.default_recommendation")
    spoil(spoilable)
    error, message = SPOILT[spoil]
    with pytest.raises(error, match=message):
        website.publish("bad", days=1, folder=spoilable)
    assert (website.shown(), website.rows("select * from recommender.publication")) == before
    assert website.rows("select * from recommender.default_recommendation") == default
    assert website.partitions() == ["recommendation_1"]
    assert website.publish("mended", days=1)["published"] is True


def test_a_shard_that_was_not_scored_is_named(website: Any, spoilable: RunFolder) -> None:
    spoilable.begin("score-0001")
    with pytest.raises(StageMissing, match="Stage `score-0001` has not finished"):
        website.publish(folder=spoilable)
    assert website.partitions() == []


def test_a_second_publisher_is_told_to_come_back(website: Any, connect: Any) -> None:
    other = connect()
    other.cursor().execute("select pg_advisory_xact_lock(hashtext('recommender publication'))")
    with pytest.raises(PublicationBusy, match="Another run is publishing right now") as caught:
        website.publish()
    assert "Retry" in caught.value.action
    assert website.partitions() == []
    other.rollback()
    assert website.publish()["published"] is True
