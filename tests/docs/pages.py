"""README.md and the pages under docs/ as text: their links, anchors and commands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its fenced code blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and the site make them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(page), flags=re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if n == 0 else f"{slug}-{n}" for slug, times in found.items() for n in range(times + 1)}


def links(page: Path) -> list[str]:
    """Targets of a page's links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))


def code(page: Path) -> list[str]:
    """Code spans and lines of code blocks."""
    text = page.read_text("utf-8")
    spans = re.findall(r"`([^`\n]+)`", _FENCED.sub("", text))
    fenced = [line for block in _FENCED.findall(text) for line in block.splitlines()[1:-1]]
    indented = re.findall(r"^ {4,}(\S.*)$", _FENCED.sub("", text), flags=re.MULTILINE)
    return [*spans, *(line.strip() for line in fenced), *indented]
