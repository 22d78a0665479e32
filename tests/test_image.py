"""The image: who runs in it, what is copied into it, and what is installed."""

from __future__ import annotations

import importlib.metadata
import re

from packaging.requirements import Requirement

from scripts.stack.compose import ROOT


def test_the_image_runs_as_somebody_without_rights_and_copies_what_is_let_through() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER recommender"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [source for copied in copies for source in copied]
    assert len(sources) >= 7
    for source in sources:
        assert (ROOT / source).exists(), source
        assert [line for line in ignored if line == f"!{source}" or line.startswith(f"!{source}/")], source
    # What a customer puts there, secrets among it, is mounted and never copied.
    assert not [line for line in [*sources, *ignored] if "config" in line]


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[\w.\-]+==[^ ;\\]+", (ROOT / name).read_text(), re.M))


def test_the_image_has_the_pins_of_the_tests_and_no_tools_for_development() -> None:
    runtime = pins("requirements-runtime.txt")
    assert len(runtime) > 100
    assert runtime <= pins("requirements.txt")
    assert not [pin for pin in runtime if pin.startswith(("pytest", "ruff", "mypy==", "playwright", "scikit-learn"))]


def test_for_a_card_there_is_what_tensorflow_asks_for_and_nothing_else() -> None:
    """Gigabytes that only machines with a card download."""
    asked = {
        needed.name: needed.specifier
        for needed in map(Requirement, importlib.metadata.requires("tensorflow") or [])
        if needed.marker and needed.marker.evaluate({"extra": "and-cuda"}) and not needed.marker.evaluate({"extra": ""})
    }
    pinned = dict(pin.split("==") for pin in pins("requirements-gpu.txt"))
    assert len(asked) > 8
    assert asked.keys() == pinned.keys()
    assert all(asked[name].contains(version) for name, version in pinned.items())
    assert not [pin for pin in pins("requirements.txt") if pin.startswith("nvidia-")]
    text = (ROOT / "requirements-gpu.txt").read_text()
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "://" not in text
