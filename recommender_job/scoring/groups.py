"""Groups of experiences of which only so many may stand in one list."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ratings.names import canonical, tidy
from recommender_job.tables import EXPERIENCE, GROUP, NAME

#: Digits, and separators of thousands and decimals between them.
_NUMBER = re.compile(r"\d+(?:[.,'\u2019 ]\d+)*")


def without_numbers(name: str) -> str | None:
    """A name to compare, its numbers and currency signs taken out: "Spa $50.000" and "SPA 100" are both "spa".

    Returns:
        None where no letter is left: such names say nothing but the number.
    """
    plain = "".join(sign for sign in canonical(name) if unicodedata.category(sign) != "Sc")
    left = tidy(_NUMBER.sub(" ", plain))
    return left if any(sign.isalpha() for sign in left) else None


def grouped(experiences: pd.DataFrame, names: pd.Series, *, by_name: bool) -> tuple[NDArray[np.int64], pd.Series]:
    """The group of each experience.

    A group that the table names is compared as experience names are (case and blanks do not matter). Those without one
    are grouped `by_name` when at least two of them have the same name but for the numbers; such a group is never the
    same as one of the table's. All others are each a group of their own.

    Args:
        experiences: `experience_id`, `name`; shape [m].
        names: `group_name` of the table by experience id; missing or blank: the table names none.
        by_name: Whether to group by name too.

    Returns:
        A number for each experience's group, from 0, shape [m]; and what to call it, missing where it is alone.
    """
    given = experiences[EXPERIENCE].map(names)
    given = given.where(given.notna(), "").map(tidy)
    stems = pd.Series(None, index=experiences.index, dtype=object)
    if by_name:
        stems = experiences[NAME].where(given == "", "").map(without_numbers)
        stems = stems.where(stems.duplicated(keep=False) & stems.notna(), None)
    keys: list[tuple[str, str | int]] = []
    labels: list[str | None] = []
    for experience, group, stem in zip(experiences[EXPERIENCE], given, stems, strict=True):
        if group:
            keys.append(("table", canonical(group)))
        elif isinstance(stem, str):
            keys.append(("name", stem))
        else:
            keys.append(("alone", int(experience)))
        labels.append(group or (stem if isinstance(stem, str) else None))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    found = np.array([numbers[key] for key in keys], np.int64)
    return found, pd.Series(labels, index=experiences.index, dtype="str", name=GROUP)
