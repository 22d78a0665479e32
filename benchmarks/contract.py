"""The code blocks of docs/table-contract.md: what the website runs is what is tested and measured here."""

from __future__ import annotations

import re
from pathlib import Path

CONTRACT = Path(__file__).resolve().parents[1] / "docs" / "table-contract.md"

#: The user that the written queries ask for.
EXAMPLE_USER = 42


def code_blocks(language: str) -> list[str]:
    """The blocks of one language, in the order of the document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", CONTRACT.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def list_statement(placeholder: str) -> str:
    """The one statement for "this user, or else the default", with a driver's placeholder for the user."""
    (statement,) = [block for block in code_blocks("sql") if "not exists" in block]
    written, filled_in = f"user_id = {EXAMPLE_USER}", f"user_id = {placeholder}"
    assert_once(statement, written)
    return statement.replace(written, filled_in)


def assert_once(text: str, part: str) -> None:
    """Refuses a document in which the part to be replaced does not stand exactly once.

    Raises:
        ValueError: It does not.
    """
    if text.count(part) != 1:
        raise ValueError(f"{part!r} stands {text.count(part)} times in: {text}")
