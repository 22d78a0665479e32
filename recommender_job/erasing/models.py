"""Takes a user out of the models in a run folder: arrays of users, and the copy for TensorFlow Serving."""

from __future__ import annotations

import struct
from pathlib import PurePosixPath
from typing import Any

from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.erasing.problems import Problems
from recommender_job.nightly import FINAL, SAVED_MODEL
from recommender_job.ranking.forgetting import USER_ROWS, without_user
from recommender_job.ranking.predictor import Predictor
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import holds_bytes, remove_folder

WEIGHTS = "weights.json"


def erase_from_models(
    config: Config, folder: RunFolder, names: list[str], user_id: int, problems: Problems
) -> tuple[int, str]:
    """Takes a user's id and rows out of every model; the predictions for others and the models' versions stay.

    The copy for TensorFlow Serving is made again from the final model, with the scale of `config`.

    Args:
        config: Says the scale of ratings.
        folder: The run folder.
        names: All files in it.
        user_id: Whom to erase.
        problems: Where damaged files are told.

    Returns:
        How many files of arrays were written again, and what became of the served model: `untouched`, `rewritten`, or
        `removed` where it could not be made again.
    """
    # Networks that `weights.json` no longer names are looked at too: an earlier attempt may have left them.
    arrays = [name for name in names if _file(name) in USER_ROWS]
    changing = [name for name in arrays if _left(folder, name, user_id, problems) is not None]
    for model in (str(PurePosixPath(name).parent) for name in names if _file(name) == WEIGHTS):
        if any(name.startswith(f"{model}/") for name in changing):
            with problems.noted():  # before the arrays: once one of them has changed, the version cannot be told
                Predictor.keep_version(folder, model)
    # Before the arrays too: while they hold the user, an attempt that was killed here is known not to have ended.
    final = [name for name in names if name.startswith(f"{FINAL}/")]
    served = [name for name in names if name.startswith(f"{SAVED_MODEL}/")]
    state = "untouched"
    if set(final) & set(changing) or any(holds_bytes(folder, name, struct.pack("<q", user_id)) for name in served):
        state = _serve_again(config, folder, final, user_id, problems)
    for name in changing:
        left = _left(folder, name, user_id, problems)
        if left is not None:
            folder.write_arrays(name, left)
    return len(changing), state


def _left(folder: RunFolder, name: str, user_id: int, problems: Problems) -> dict[str, NDArray[Any]] | None:
    """The arrays of a file without the user; None where the user is not in them or they cannot be read."""
    with problems.noted():
        arrays = folder.read_arrays(name)
        with folder.reading(name):
            return without_user(_file(name), arrays, user_id)
    return None


def _serve_again(config: Config, folder: RunFolder, final: list[str], user_id: int, problems: Problems) -> str:
    from recommender_job.ranking.serving import export_saved_model

    with folder.scratch(f"{SAVED_MODEL}/without") as local:
        copy = RunFolder(str(local), "copy")
        with problems.noted():
            for name in final:
                if _file(name) in USER_ROWS:
                    arrays = folder.read_arrays(name)
                    copy.write_arrays(name, without_user(_file(name), arrays, user_id) or arrays)
                elif name.endswith(".json"):
                    copy.write_json(name, folder.read_json(name))
            predictor = Predictor.load(copy, FINAL)
            export_saved_model(predictor, str(local / "served"), (config.rating_min, config.rating_max))
            folder.write_folder(SAVED_MODEL, local / "served")
            return "rewritten"
    remove_folder(folder, SAVED_MODEL)
    return "removed"


def _file(name: str) -> str:
    return PurePosixPath(name).name
