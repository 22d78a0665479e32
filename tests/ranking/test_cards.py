"""Whether there is a card, which ones are used, and what is told when one fails. No test here needs a card."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from recommender_job.errors import CardFailed, TransientError
from recommender_job.ranking import cards
from recommender_job.ranking.cards import failing_as_card, has_card, usable_cards


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the driver of a card makes it, where cards are looked for."""
    file = tmp_path / "nvidiactl"
    file.touch()
    monkeypatch.setattr(cards, "DRIVER_FILES", (tmp_path / "none", file))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return file


@pytest.fixture
def two_cards(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recommender_job.ranking.tensorflow import tf

    names = [SimpleNamespace(name=f"/device:GPU:{number}") for number in range(2)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: names if kind == "GPU" else [])


def test_a_card_is_known_by_a_file_of_its_driver(driver: Path) -> None:
    assert has_card()
    assert has_card([driver])
    driver.unlink()
    assert not has_card()
    assert not has_card([driver])
    assert not has_card([])


@pytest.mark.parametrize(("shown", "seen"), [("", False), (" ", False), ("-1", False), ("0", True), ("GPU-8a", True)])
def test_a_hidden_card_is_none(driver: Path, monkeypatch: pytest.MonkeyPatch, shown: str, seen: bool) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert has_card() is seen


def test_where_cards_are_looked_for() -> None:
    assert [str(file) for file in cards.DRIVER_FILES] == ["/dev/nvidiactl", "/dev/dxg"]


@pytest.mark.usefixtures("two_cards")
def test_one_card_is_used_or_every_one_or_none() -> None:
    assert usable_cards("auto") == ["/device:GPU:0"]
    assert usable_cards("all_gpus") == ["/device:GPU:0", "/device:GPU:1"]
    assert usable_cards("cpu") == []


@pytest.mark.usefixtures("two_cards")
def test_the_log_names_the_cards() -> None:
    with structlog.testing.capture_logs() as logs:
        usable_cards("all_gpus")
    assert [(line["log_level"], line["cards"]) for line in logs] == [("info", ["/device:GPU:0", "/device:GPU:1"])]


_ASKED = """
import sys
from pathlib import Path
import structlog
from recommender_job.ranking import cards
cards.DRIVER_FILES = (Path(sys.argv[1]),)
with structlog.testing.capture_logs() as logs:
    found = cards.usable_cards(sys.argv[2])
print(found, [line["log_level"] for line in logs], "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize(
    ("there", "devices", "told"),
    [
        (False, "auto", "[] [] False"),
        (False, "all_gpus", "[] [] False"),
        (True, "cpu", "[] [] False"),
        # TensorFlow is asked, finds nothing that it can use, and says so once.
        (True, "auto", "[] ['warning'] True"),
    ],
)
def test_tensorflow_is_loaded_only_to_use_a_card(tmp_path: Path, there: bool, devices: str, told: str) -> None:
    file = tmp_path / "nvidiactl"
    if there:
        file.touch()
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if there:
        # A number that no card has: where this runs on a machine with one, TensorFlow still finds none.
        environment |= {"CUDA_VISIBLE_DEVICES": "99"}
    command = [sys.executable, "-c", _ASKED, str(file), devices]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == told


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("ResourceExhaustedError", "A graphics card ran out of memory (OOM on /device:GPU:0)."),
        ("InternalError", "A graphics card failed (OOM on /device:GPU:0)."),
        ("UnknownError", "A graphics card failed (OOM on /device:GPU:0)."),
        ("UnavailableError", "A graphics card failed (OOM on /device:GPU:0)."),
    ],
)
def test_a_card_that_fails_is_told_as_such(kind: str, told: str) -> None:
    from recommender_job.ranking.tensorflow import tf

    error = getattr(tf.errors, kind)(None, None, "OOM on /device:GPU:0\nand much more")
    with pytest.raises(CardFailed) as caught, failing_as_card("auto"):
        raise error
    assert (caught.value.cause, caught.value.__cause__) == (told, error)
    assert "score_devices" in caught.value.action
    assert isinstance(caught.value, TransientError)


@pytest.mark.parametrize("kind", ["ResourceExhaustedError", "InternalError"])
def test_an_error_without_a_card_stays_what_it_is(driver: Path, kind: str) -> None:
    from recommender_job.ranking.tensorflow import tf

    error = getattr(tf.errors, kind)(None, None, "none of a card's")
    with pytest.raises(type(error)), failing_as_card("cpu"):
        raise error
    driver.unlink()
    with pytest.raises(type(error)), failing_as_card("auto"):
        raise error


@pytest.mark.usefixtures("driver")
def test_other_errors_stay_what_they_are() -> None:
    from recommender_job.ranking.tensorflow import tf

    for error in (ValueError("no"), tf.errors.InvalidArgumentError(None, None, "no")):
        with pytest.raises(type(error)), failing_as_card("auto"):
            raise error
