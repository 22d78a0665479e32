"""Chooses the ranking model's settings on validation parts of the training part, never on the holdout."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from recommender_job.arrays import Values
from recommender_job.config import Config
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.bias import SWEEPS, BiasModel
from recommender_job.ranking.folds import Fold
from recommender_job.ranking.recipe import BiasPart, Member, seeded
from recommender_job.ranking.trainer import Trainers
from recommender_job.ranking.trial import Trial, clearly_better, rmse_of
from recommender_job.tables import EXPERIENCE, RATING, USER

USER_SHRINKAGES = (1.0, 2.0, 5.0, 10.0)
EXPERIENCE_SHRINKAGES = (2.0, 5.0, 10.0, 20.0, 50.0)
#: The bias model's sweeps while shrinkages are compared; the differences have settled by then.
FEW_SWEEPS = 5
#: By how much the best candidate may seem better than the average and yet not be: it was picked for being lucky.
LUCK = 0.003
BIAS_WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)


def choose(
    folds: list[Fold], pairs: int, config: Config, trainers: Trainers, clock: Callable[[], float] = time.perf_counter
) -> tuple[tuple[Member, ...], BiasPart, dict[str, Any]]:
    """Trains every candidate on every fold and says what to train on the whole training part.

    A few hundred validation pairs cannot tell candidates apart that are nearly as good as each other: the best of them
    would be the luckiest. So all that come close to it are averaged, each with the number of epochs that served it. The
    best alone is taken where the average is worse than luck explains. Each is trained with as many seeds as
    `selection.max_networks` and `selection.network_pairs` leave room for. At last the bias model gets a part where that
    is clearly better.

    Args:
        folds: Validation parts, one or more.
        pairs: Pairs of the whole training part; one candidate or more must suit so many.
        config: `selection`, `seed` and the scale.
        trainers: For the ids of the training part.
        clock: Seconds; read to keep to the budget.

    Returns:
        Networks and bias model with their weights; and the report: `chosen` (weights by name), `seeds` of each, `rmse`,
        and what it was compared with: `candidates` (RMSE, epochs and seconds of each), `average` (RMSE; None of one),
        `bias`; `skipped` (candidates that the budget left out), `folds`, `validation_pairs`, `seconds`.

    Raises:
        TrainingDiverged: No candidate could be trained.
    """
    begun = clock()
    settings = config.selection
    scale = (config.rating_min, config.rating_max)
    actual = np.concatenate([fold.validation[RATING].to_numpy(np.float64) for fold in folds])
    bias, bias_predictions = _best_bias(folds, actual, scale)
    shrinkage = {"user_shrinkage": bias.user_shrinkage, "experience_shrinkage": bias.experience_shrinkage}
    suited = {name: candidate.model for name, candidate in settings.candidates.items() if candidate.suits(pairs)}
    trials: dict[str, Trial] = {}
    for name, model in suited.items():
        found = any(not trial.diverged for trial in trials.values())
        if found and clock() - begun > settings.budget_seconds:
            break
        trials[name] = Trial(model.model_copy(update=shrinkage), config.seed, scale, clock)
        trials[name].run(folds, trainers)
    sound = {name: trial for name, trial in trials.items() if not trial.diverged}
    if not sound:
        raise TrainingDiverged(
            f"None of the candidates {', '.join(suited)} could be trained.",
            action="Look for ratings of absurd size, or set `model` yourself.",
        )
    ranked = sorted(sound, key=lambda name: sound[name].rmse)
    best = sound[ranked[0]].rmse
    most = max(1, min(settings.max_networks, settings.network_pairs // pairs))
    close = [name for name in ranked if sound[name].rmse <= best * (1 + settings.close)][:most]
    average = np.mean([sound[name].predictions for name in close], axis=0)
    average_rmse = rmse_of(average, actual, scale)
    if best < average_rmse * (1 - LUCK):
        close, average = ranked[:1], sound[ranked[0]].predictions
    weight, rmse = _bias_weight(average, bias_predictions, actual, scale)
    share = (1 - weight) / len(close)
    seeds = {"seeds": most // len(close)}
    chosen = {name: sound[name].settings.model_copy(update=seeds) for name in close}
    members = tuple(member for name in close for member in seeded(name, chosen[name], config.seed, share))
    report = {
        **seeds,
        "chosen": {name: share for name in close} | ({"user_experience_bias": weight} if weight else {}),
        "rmse": rmse,
        "average": average_rmse if len(ranked) > 1 else None,
        "candidates": {name: trial.report() for name, trial in trials.items()},
        "bias": {"rmse": rmse_of(bias_predictions, actual, scale), **shrinkage},
        "skipped": [name for name in suited if name not in trials],
        "folds": len(folds),
        "validation_pairs": len(actual),
        "seconds": round(clock() - begun, 3),
    }
    return members, bias.model_copy(update={"weight": weight}), report


def untried(pairs: int, config: Config) -> tuple[Member, ...]:
    """The first candidate that suits so many pairs, where nothing can be compared; else the configured model."""
    for name, candidate in config.selection.candidates.items():
        if candidate.suits(pairs):
            return seeded(name, candidate.model, config.seed)
    return seeded("configured", config.model, config.seed)


def _bias_weight(networks: Values, bias: Values, actual: Values, scale: tuple[float, float]) -> tuple[float, float]:
    """The bias model's weight beside the networks, 0 where none is worth it, and the RMSE of both together."""
    alone = rmse_of(networks, actual, scale)
    scores = {weight: rmse_of((1 - weight) * networks + weight * bias, actual, scale) for weight in BIAS_WEIGHTS}
    weight = min(scores, key=lambda key: scores[key])
    return (weight, scores[weight]) if clearly_better(scores[weight], alone, len(actual)) else (0.0, alone)


def _best_bias(folds: list[Fold], actual: Values, scale: tuple[float, float]) -> tuple[BiasPart, Values]:
    """The bias model whose shrinkages predict the validation pairs best, and its predictions."""
    parts = [
        BiasPart(user_shrinkage=user, experience_shrinkage=experience)
        for user in USER_SHRINKAGES
        for experience in EXPERIENCE_SHRINKAGES
    ]
    best = min(parts, key=lambda part: rmse_of(_bias_predictions(folds, part, FEW_SWEEPS), actual, scale))
    return best, _bias_predictions(folds, best)


def _bias_predictions(folds: list[Fold], part: BiasPart, sweeps: int = SWEEPS) -> Values:
    predictions = []
    for training, validation in folds:
        model = BiasModel.fit(
            training,
            user_shrinkage=part.user_shrinkage,
            experience_shrinkage=part.experience_shrinkage,
            sweeps=sweeps,
        )
        predictions.append(model.predict(validation[USER].to_numpy(), validation[EXPERIENCE].to_numpy()))
    return np.concatenate(predictions)
