"""Experience names: two spellings that a person would read as the same are the same experience."""

from __future__ import annotations

import unicodedata


def tidy(name: str) -> str:
    """A name to show: Unicode NFC, no blanks around it, single blanks within."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def canonical(name: str) -> str:
    """A name to compare: tidy and case folded. Empty when nothing legible is left."""
    # Folding can take a name out of NFC again (for example with a dotted capital I), hence the second round.
    return unicodedata.normalize("NFC", tidy(name).casefold())
