"""Figures of predicted ratings: errors with intervals, by slices, calibration, and what the gate compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import Bools, Values, distinct
from recommender_job.config import Config
from recommender_job.evaluating.bootstrap import Bootstrap, chance_beside_the_best, interval
from recommender_job.evaluating.calibration import calibration
from recommender_job.ranking.baselines import baseline_predictions
from recommender_job.ranking.encoded import Encoded, encoded
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.metrics import ErrorFigures
from recommender_job.ranking.predictor import Predictor
from recommender_job.tables import EXPERIENCE, PREDICTED, RATING, USER

CHAMPION = "champion"
#: Lower ends of the classes of how many training ratings a user or experience has.
ACTIVITY = (0, 1, 2, 4, 10, 30, 100)


def rating_figures(
    predictor: Predictor,
    training: pd.DataFrame | Encoded,
    pairs: pd.DataFrame,
    config: Config,
    champion: Predictor | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Figures and predictions of a model on pairs it has not seen.

    Args:
        predictor: Trained on `training`.
        training: What the baselines are computed from: `user_id`, `experience_id`, `rating`, or what was made of them.
        pairs: `user_id`, `experience_id`, `rating`.
        config: Scale, shrinkage, bootstrap.
        champion: What is live, trained on `training` too; None: there is none, or it is the same.

    Returns:
        The figures, and the pairs with `predicted_rating` and a column for each baseline and the champion. Figures:
        `rmse`, `mae`, `n`, `rmse_interval`; `baselines` and `baselines_mae` by name; `other_intervals`: of the RMSE
        of each baseline and the champion; `champion`: `rmse`, `mae`, `n` or None; `slices`: known and unknown users
        and experiences; `by_user_ratings`, `by_experience_ratings`: by number of training ratings; `by_rating`: by the
        rating given; `calibration`; `comparisons` with the best naive predictor and the champion, on `all` pairs and
        on those of `known_users`: see `_comparison`.

    Raises:
        TrainingDiverged: A prediction is missing or no finite number.
    """
    training, scale = encoded(training), (config.rating_min, config.rating_max)
    users, experiences = pairs[USER].to_numpy(), pairs[EXPERIENCE].to_numpy()
    actual = pairs[RATING].to_numpy(np.float64)
    # clip keeps NaN, so a missing prediction still reaches ErrorFigures and is refused there.
    predicted = np.clip(predictor.predict(users, experiences), *scale)
    naive = baseline_predictions(training, pairs, shrinkage=config.gate.bias_shrinkage, scale=scale)
    baselines = {name: ErrorFigures.of(values, actual) for name, values in naive.items()}
    overall = ErrorFigures.of(predicted, actual)
    others = dict(naive)
    if champion is not None:
        others[CHAMPION] = np.clip(champion.predict(users, experiences), *scale).astype(np.float64)

    known_user, user_ratings = _training_ratings(training.users, training.user_counts, users)
    known_experience, experience_ratings = _training_ratings(
        training.experiences, training.experience_counts, experiences
    )
    slices = {
        "known_users": known_user,
        "unknown_users": ~known_user,
        "known_experiences": known_experience,
        "unknown_experiences": ~known_experience,
    }

    def sliced(parts: dict[str, Bools]) -> dict[str, Any]:
        return {name: ErrorFigures.of(predicted[part], actual[part]).as_dict() for name, part in parts.items()}

    bootstrap = Bootstrap(users, resamples=config.evaluation.resamples, seed=config.seed)
    squared = (predicted.astype(np.float64) - actual) ** 2
    errors = {name: (values - actual) ** 2 for name, values in others.items()}
    subsets = {"all": np.ones(len(pairs), bool)}
    if known_user.any() and not known_user.all():
        subsets["known_users"] = known_user
    figures = {
        **overall.as_dict(),
        "rmse_interval": interval(bootstrap.rmse(squared), config.evaluation.level),
        "baselines": {name: figure.rmse for name, figure in baselines.items()},
        "baselines_mae": {name: figure.mae for name, figure in baselines.items()},
        "other_intervals": {
            name: interval(bootstrap.rmse(squares), config.evaluation.level) for name, squares in errors.items()
        },
        CHAMPION: ErrorFigures.of(others[CHAMPION], actual).as_dict() if champion is not None else None,
        "slices": sliced(slices),
        "by_user_ratings": sliced(_classes(user_ratings)),
        "by_experience_ratings": sliced(_classes(experience_ratings)),
        "by_rating": sliced({f"{value:g}": actual == value for value in _few(actual)}),
        "calibration": calibration(predicted.astype(np.float64), actual),
        "comparisons": [
            {"on": subset, "users": count}
            | _comparison(squared, {name: errors[name] for name in among}, mask, bootstrap, config.evaluation.level)
            for subset, mask in subsets.items()
            for count in [len(distinct(users[mask]))]
            for among in ([*naive], *([[CHAMPION]] if champion is not None else []))
        ],
    }
    return figures, pairs.assign(**{PREDICTED: predicted.astype(np.float32)}, **others)


def _comparison(
    own: Values, others: dict[str, Values], mask: Bools, bootstrap: Bootstrap, level: float
) -> dict[str, Any]:
    """The model against the best of others on the same pairs.

    Args:
        own: Squared errors, shape [n].
        others: Theirs, by name.
        mask: The pairs that count.
        bootstrap: Of the pairs' users.
        level: Of the interval.

    Returns:
        `with`, `n`, `rmse` and `other_rmse`; `difference`, positive where the model is worse, with its `interval`;
        `chance`: how likely so large a difference is for a model that is as good as each of them.
    """
    own = np.where(mask, own, np.nan)
    rmse, resampled = float(np.sqrt(np.nanmean(own))), bootstrap.rmse(own)
    names = list(others)
    of_others = np.array([np.sqrt(values[mask].mean()) for values in others.values()])
    differences = np.array([resampled - bootstrap.rmse(np.where(mask, values, np.nan)) for values in others.values()])
    best = int(of_others.argmin())
    return {
        "with": names[best],
        "n": int(mask.sum()),
        "rmse": rmse,
        "other_rmse": float(of_others[best]),
        "difference": rmse - float(of_others[best]),
        "interval": interval(differences[best], level),
        "chance": chance_beside_the_best(differences, rmse - of_others, best),
    }


def _training_ratings(
    trained: IdMap, counts: NDArray[np.int64], asked: NDArray[np.int64]
) -> tuple[Bools, NDArray[np.int64]]:
    """Whether training saw each id, and in how many ratings."""
    count = counts[trained.encode(asked)]
    return count > 0, count


def _classes(counts: NDArray[np.int64]) -> dict[str, Bools]:
    """Pairs by class of count, empty classes left out."""
    found = {}
    for low, high in zip(ACTIVITY, (*ACTIVITY[1:], None), strict=True):
        name = f"{low}+" if high is None else str(low) if high == low + 1 else f"{low}-{high - 1}"
        inside = (counts >= low) & (True if high is None else counts < high)
        if inside.any():
            found[name] = inside
    return found


def _few(actual: NDArray[np.float64], most: int = 20) -> NDArray[np.float64]:
    """The ratings that occur, where they are few enough to be told apart."""
    values = np.unique(actual)
    return values if len(values) <= most else values[:0]
