"""Reading moments: which formats are recognised, local time, and what is no moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.reader import read_batches

Moments = Callable[..., dict[str, str]]


@pytest.fixture
def moments(write_csv: Callable[..., Path]) -> Moments:
    """Reads texts as moments; returns those that were read, in UTC."""

    def work(texts: Sequence[str], **columns: Any) -> dict[str, str]:
        file = write_csv([f"1,A,5,{text}" for text in texts])
        rows = pd.concat([batch.rows for batch in read_batches(file, Columns(**columns))])
        return {
            texts[line - 2]: f"{moment:%Y-%m-%d %H:%M:%S}"
            for line, moment in zip(rows["line"], rows["rated_at"], strict=True)
        }

    return work


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("1/4/2021 9:47", "2021-01-04 14:47:00"),
        ("12/31/2021 23:59", "2022-01-01 04:59:00"),
        ("1/4/2021 9:47:05", "2021-01-04 14:47:05"),
        ("2021-01-04", "2021-01-04 05:00:00"),
        ("2021-01-04 09:47", "2021-01-04 14:47:00"),
        ("2021-01-04T09:47:05.25", "2021-01-04 14:47:05"),
        ("2021-01-04T09:47Z", "2021-01-04 09:47:00"),
        ("2021-01-04T09:47+02:00", "2021-01-04 07:47:00"),
        ("2021-01-04 09:47:00-0500", "2021-01-04 14:47:00"),
        ("2021-01-04 09:47:00-05", "2021-01-04 14:47:00"),
        ("1609771620", "2021-01-04 14:47:00"),
        ("0", "1970-01-01 00:00:00"),
        (" 2021-01-04 ", "2021-01-04 05:00:00"),
    ],
)
def test_formats_that_are_recognised(moments: Moments, text: str, utc: str) -> None:
    assert moments([text]) == {text: utc}


def test_offsets_may_differ_and_be_missing_within_a_file(moments: Moments) -> None:
    assert moments(["2021-01-04T10:00Z", "2021-01-04T10:00+02:00", "2021-01-04T10:00"]) == {
        "2021-01-04T10:00Z": "2021-01-04 10:00:00",
        "2021-01-04T10:00+02:00": "2021-01-04 08:00:00",
        "2021-01-04T10:00": "2021-01-04 15:00:00",
    }


def test_offsets_behind_hours_and_in_the_form_without_separators(moments: Moments) -> None:
    texts = [
        "2021-01-04T10+02",
        "20210104T100000+0500",
        "2021-01-04 10:00:00.5-05",
        "20210104",
        "2021-01-04 10",
        "2021-01-04T10:00+5",
    ]
    assert list(moments(texts).values()) == [
        "2021-01-04 08:00:00",
        "2021-01-04 05:00:00",
        "2021-01-04 15:00:00",
        "2021-01-04 05:00:00",
        "2021-01-04 15:00:00",
        "2021-01-04 05:00:00",
    ]


def test_offsets_as_postgresql_writes_them(moments: Moments) -> None:
    """A zone with summer time has two offsets, and PostgreSQL writes whole hours without minutes."""
    assert moments(["2021-01-04 10:00:00-05", "2021-07-04 10:00:00-04"]) == {
        "2021-01-04 10:00:00-05": "2021-01-04 15:00:00",
        "2021-07-04 10:00:00-04": "2021-07-04 14:00:00",
    }


def test_a_given_format_with_offsets(moments: Moments) -> None:
    assert moments(["4/1/2021 10:00 -0500", "4/7/2021 10:00 -0400"], date_format="%d/%m/%Y %H:%M %z") == {
        "4/1/2021 10:00 -0500": "2021-01-04 15:00:00",
        "4/7/2021 10:00 -0400": "2021-07-04 14:00:00",
    }


def test_day_first_dates_are_read_when_named(moments: Moments) -> None:
    texts = ["13/01/2021", "04/01/2021"]
    assert moments(texts, date_format="%d/%m/%Y") == {
        "13/01/2021": "2021-01-13 05:00:00",
        "04/01/2021": "2021-01-04 05:00:00",
    }


def test_day_first_dates_are_never_guessed(moments: Moments) -> None:
    with pytest.raises(BadFile) as caught:
        moments(["31/12/2021 10:00", "30/12/2021 10:00", "1/2/2021 10:00"])
    assert "'31/12/2021 10:00'" in caught.value.cause
    assert "--date-format %d/%m/%Y" in caught.value.action


def test_a_few_bad_dates_do_not_change_which_format_is_recognised(moments: Moments) -> None:
    assert moments(["soon", "1/2/2021 10:00", "1/3/2021 10:00"]) == {
        "1/2/2021 10:00": "2021-01-02 15:00:00",
        "1/3/2021 10:00": "2021-01-03 15:00:00",
    }


def test_the_zone_is_a_setting(moments: Moments) -> None:
    assert moments(["2021-07-04 10:00"], timezone="Europe/Madrid") == {"2021-07-04 10:00": "2021-07-04 08:00:00"}


def test_local_times_that_do_not_exist_or_exist_twice_are_refused(moments: Moments) -> None:
    texts = ["2022-03-27 02:30", "2022-10-30 02:30", "2022-10-30 03:30"]
    assert moments(texts, timezone="Europe/Madrid") == {"2022-10-30 03:30": "2022-10-30 02:30:00"}


def test_seconds_are_refused_outside_the_years_that_ratings_can_have(moments: Moments) -> None:
    good = ["1609771620", "1609771621", "1609771622", "1609771623"]
    assert list(moments([*good, "-1", "1609771620000", "1e309"])) == good


def test_lines_that_are_all_too_short_are_not_blamed_on_dates(write_csv: Callable[..., Path]) -> None:
    [batch] = read_batches(write_csv(["1,A,5", "2,B,4"]), Columns())
    assert batch.rejected["reason"].tolist() == ["has 3 fields, the header 4"] * 2
