"""The runbook and the contract as pages, whose headings have the names that errors link to."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

#: In a checkout and in the image alike, `docs` lies beside `plugins`.
DOCS = Path(__file__).resolve().parents[2] / "docs"
#: Pages and their files; those with an ending are how the files name each other.
PAGES = {"runbook": "runbook.md", "runbook.md": "runbook.md", "table-contract.md": "table-contract.md"}


def document(name: str) -> Path | None:
    """The file of a page; None when there is no such page, or the files were not installed beside the plugin."""
    file = DOCS / PAGES[name] if name in PAGES else None
    return file if file and file.is_file() else None


def rendered(text: str) -> str:
    """Markdown as HTML; HTML in it is shown as text.

    Every heading gets the id that GitHub gives it, so that `#gateblocked` leads to "GateBlocked".
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    taken: dict[str, int] = {}
    for opening, title in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            name = anchor("".join(part.content for part in title.children or ()))
            again = taken[name] = taken.get(name, -1) + 1
            opening.attrSet("id", f"{name}-{again}" if again else name)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def anchor(heading: str) -> str:
    """A heading's id: lower case, blanks as hyphens, no other punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
