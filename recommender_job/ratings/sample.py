"""A made-up world of ratings, for whoever has no file at hand: the shape of real ones, none of their content.

Many rows repeat a pair, most ratings are fives, 24 % of the users rated once, some names have a misspelt twin.
Tastes decide twice: people take what is popular and fits them, and how they rate it depends on how well it fits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

SHARE_OF_SINGLE_RATERS = 0.24
SHARE_OF_REPEATS = 0.55
#: Share of each rating, from the lowest to the highest.
RATING_SHARES = {1: 0.032, 2: 0.004, 3: 0.013, 4: 0.119, 5: 0.832}
SHARE_OF_TWINS = 0.06
TASTES = 4
#: How much more often people take what fits them; 0: what is popular alone.
CHOOSINESS = 3.0

_THINGS = (
    "Bono mercado", "Bono restaurante", "Entrada cine", "Combo cine", "Curso virtual de cocina",
    "Curso virtual de pintura", "Taller de café", "Clase de baile", "Bono librería", "Bono spa", "Cena para dos",
    "Desayuno sorpresa", "Noche de teatro", "Pasadía en familia", "Bono gimnasio", "Helado doble",
)  # fmt: skip
_PLACES = (
    "La Ceiba", "El Colibrí", "Doña Rosalba", "Monteverde", "Café del Río", "Altamira", "Los Guaduales", "Sol y Sal",
    "Casa Jacaranda", "Punto Norte", "Las Acacias", "Quebrada Honda", "Mirador",
)  # fmt: skip
_AMOUNTS = (10, 20, 30, 50)


def sample_ratings(users: int, experiences: int, seed: int) -> pd.DataFrame:
    """Makes a world.

    Args:
        users: Number of users.
        experiences: Number of distinct experiences.
        seed: Same arguments, same world.

    Returns:
        `ID_CLIENTE`, `FECHA_INTERACCION` (local time, month/day/year hour:minute), `NOMBRE_CORTO_DE_EXPERIENCIA` and
        `CALIFICACION`, ascending by time; about five rows for each user.
    """
    random = np.random.default_rng(seed)
    names = _names(experiences, random)
    fit = random.normal(0, 0.5, (users, TASTES)) @ random.normal(0, 0.5, (TASTES, experiences))
    pairs = _pairs(fit, random)
    pairs["rating"] = _ratings(pairs, fit, random)
    start = pd.Timestamp("2021-01-04 07:00")
    pairs["minute"] = np.sort(random.integers(0, 850 * 24 * 60, len(pairs)))[random.permutation(len(pairs))]
    # Who rated once did so once: only the others repeat themselves.
    several = pairs[pairs["user"].duplicated(keep=False)]
    count = round(len(pairs) * SHARE_OF_REPEATS / (1 - SHARE_OF_REPEATS)) if len(several) else 0
    repeats = several.iloc[random.integers(0, max(len(several), 1), count)]
    # Most repeats are double clicks within the minute; a few are second thoughts, days later.
    later = random.random(len(repeats)) < 0.1
    repeats = repeats.assign(minute=repeats["minute"] + later * random.integers(1, 30 * 24 * 60, len(repeats)))
    changed = later & (random.random(len(repeats)) < 0.1)
    repeats = repeats.assign(rating=repeats["rating"].where(~changed, random.integers(1, 6, len(repeats))))
    rows = pd.concat([pairs, repeats]).sort_values(["minute", "user", "experience"], kind="stable")
    moments = start + pd.to_timedelta(rows["minute"].to_numpy(), unit="min")
    return pd.DataFrame(
        {
            "ID_CLIENTE": rows["user"].to_numpy(),
            "FECHA_INTERACCION": [f"{t.month}/{t.day}/{t.year} {t.hour}:{t.minute:02d}" for t in moments],
            "NOMBRE_CORTO_DE_EXPERIENCIA": _spelled(names, rows["experience"].to_numpy(), random),
            "CALIFICACION": rows["rating"].to_numpy(),
        }
    )


def _names(count: int, random: Generator) -> list[str]:
    every = [f"{thing} {place} {amount}" for thing in _THINGS for place in _PLACES for amount in _AMOUNTS]
    if count > len(every):
        every += [f"{name} serie {series}" for series in range(2, count // len(every) + 2) for name in every]
    return [every[place] for place in random.permutation(len(every))[:count]]


def _pairs(fit: NDArray[np.float64], random: Generator) -> pd.DataFrame:
    """Distinct (user, experience) pairs; popular experiences in many, users with one up to dozens."""
    users, experiences = map(int, fit.shape)
    wanted = np.exp(CHOOSINESS * fit) / np.arange(1, experiences + 1) ** 0.9
    wanted = wanted / wanted.sum(axis=1, keepdims=True)
    activity = 2 + random.geometric(0.6, users) - 1
    activity[random.permutation(users)[: round(users * SHARE_OF_SINGLE_RATERS)]] = 1
    activity = np.minimum(activity, experiences)
    chosen = [
        random.choice(experiences, size, replace=False, p=own) for size, own in zip(activity, wanted, strict=True)
    ]
    return pd.DataFrame({"user": np.repeat(np.arange(1, users + 1), activity), "experience": np.concatenate(chosen)})


def _ratings(pairs: pd.DataFrame, fit: NDArray[np.float64], random: Generator) -> NDArray[np.int64]:
    """Ratings with exactly the wanted shares, in the order of how much each pair is liked."""
    user, experience = pairs["user"].to_numpy() - 1, pairs["experience"].to_numpy()
    generosity, quality = random.normal(0, 1.0, len(fit)), random.normal(0, 0.5, int(fit.shape[1]))
    liking = generosity[user] + quality[experience] + fit[user, experience] + random.normal(0, 0.7, len(pairs))
    steps = np.cumsum(list(RATING_SHARES.values())) * len(pairs)
    place = np.argsort(np.argsort(liking, kind="stable"), kind="stable")
    return np.array(list(RATING_SHARES))[np.searchsorted(steps[:-1], place, side="right")]


def _spelled(names: list[str], experience: NDArray[np.int64], random: Generator) -> list[str]:
    """Names as people type them: some experiences have a twin that differs in blanks or case."""
    twins = {
        place: _misspelt(names[place], kind)
        for kind, place in enumerate(range(0, len(names), round(1 / SHARE_OF_TWINS)))
    }
    typed = random.random(len(experience)) < 0.3
    return [
        twins.get(place, names[place]) if slip else names[place] for place, slip in zip(experience, typed, strict=True)
    ]


def _misspelt(name: str, kind: int) -> str:
    return (f"{name} ", name.replace(" ", "  ", 1), name.upper())[kind % 3]
