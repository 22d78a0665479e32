"""The demo keeps one kind of ratings apart from the other, and its hands off what is not its own."""

from __future__ import annotations

from pathlib import Path

from scripts.demo import set_aside_other_world


def test_the_other_kind_of_ratings_is_moved_aside_and_a_stack_stays(tmp_path: Path) -> None:
    home = tmp_path / "var"
    set_aside_other_world(home, "sample")
    for name in ("runs", "stack"):
        (home / name).mkdir()
        (home / name / "a-file").write_text(name)
    set_aside_other_world(home, "sample")
    assert sorted(path.name for path in home.iterdir()) == ["demo-world", "runs", "stack"]

    set_aside_other_world(home, "file")
    assert sorted(path.name for path in home.iterdir()) == ["demo-world", "stack"]
    assert (home / "demo-world").read_text() == "file"
    assert (home / "stack" / "a-file").read_text() == "stack"
    [aside] = tmp_path.glob("var.sample-*")
    assert sorted(path.name for path in aside.iterdir()) == ["demo-world", "runs"]
    assert (aside / "runs" / "a-file").read_text() == "runs"
