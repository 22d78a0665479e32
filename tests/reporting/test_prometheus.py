"""The text that Prometheus reads, and its file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import StorageFailed
from recommender_job.reporting.prometheus import Family, render, write
from tests.reporting.exposition import parse


def test_the_text_as_the_format_wants_it() -> None:
    families = [
        Family("a_seconds", "How long\nit took, by C:\\.", [({"stage": 'sc"ore\n\\'}, 1.5), ({"stage": "x"}, 2.0)]),
        Family("nothing", "Left out.", []),
        Family("b", "Plain.", [({}, True)]),
    ]
    assert render(families) == (
        "# HELP a_seconds How long\\nit took, by C:\\\\.\n"
        "# TYPE a_seconds gauge\n"
        'a_seconds{stage="sc\\"ore\\n\\\\"} 1.5\n'
        'a_seconds{stage="x"} 2\n'
        "# HELP b Plain.\n"
        "# TYPE b gauge\n"
        "b 1\n"
    )
    assert render([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (1e20, str(10**20)),
        (-0.25, "-0.25"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert render([Family("a", "A.", [({}, value)])]).splitlines()[-1] == f"a {text}"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False))
def test_what_is_written_is_read_back(label: str, value: float) -> None:
    ((name, labels, read),) = parse(render([Family("a", "A.", [({"x": label, "y": "2"}, value)])]))
    assert (name, labels, read) == ("a", {"x": label, "y": "2"}, value)


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "textfiles"
    file = write("a 1\n", folder)
    assert file == folder / "recommender.prom"
    with file.open(encoding="utf-8") as reader:
        write("a 2\n", folder)
        assert reader.read() == "a 1\n", "who has begun to read ends with what they began"
    assert file.read_text("utf-8") == "a 2\n"
    assert [one.name for one in folder.iterdir()] == ["recommender.prom"]
    assert file.stat().st_mode & 0o044 == 0o044, "node_exporter is another account"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "textfiles"
    in_the_way.write_text("", "utf-8")
    with pytest.raises(StorageFailed, match=r"recommender\.prom cannot be written") as caught:
        write("a 1\n", in_the_way)
    assert "`metrics.textfile`" in caught.value.action


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write("a 1\n", tmp_path)
    (tmp_path / "recommender.prom").rename(tmp_path / "kept")
    (tmp_path / "recommender.prom").mkdir()
    with pytest.raises(StorageFailed):
        write("a 2\n", tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kept", "recommender.prom"]
