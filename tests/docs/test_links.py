"""Every link of README.md and docs/ leads somewhere, and every command that they show exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from recommender_job.cli import app
from tests.docs.pages import PAGES, ROOT, anchors, code, links

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES[1:], ids=NAMES[1:])
def test_pages_of_the_site_link_inside_the_site(page: Path) -> None:
    """What lies outside of docs/ is not on the site."""
    for link in links(page):
        if not re.match(r"[a-z]+:|#", link):
            assert (page.parent / link.partition("#")[0]).resolve().is_relative_to(ROOT / "docs"), link


def commands() -> dict[str, set[str]]:
    """The command line's commands, each with the ones below it."""
    root = typer.main.get_command(app)
    return {name: set(getattr(command, "commands", {})) for name, command in root.commands.items()}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page: Path) -> None:
    known = commands()
    for line in code(page):
        for command, below in re.findall(r"recommender-job ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", line):
            assert command in known, f"{page.name}: {line}"
            if known[command] and below:
                assert below in known[command], f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    for line in code(page):
        for target in re.findall(r"(?:^|[;&] *)make ([a-z][a-z-]*)", line):
            assert target in targets, f"{page.name}: {line}"


def test_the_looking_itself_finds_things() -> None:
    assert sum(len(links(page)) for page in PAGES) > 40
    assert sum("recommender-job" in line for page in PAGES for line in code(page)) > 60
    assert {"#gateblocked"} <= {f"#{anchor}" for anchor in anchors(ROOT / "docs" / "runbook.md")}
