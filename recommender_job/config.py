"""All settings of the job, in one frozen, validated object that is passed in.

Sources, later ones win: defaults, `preset`, `recommender.toml`, environment (`RECOMMENDER_…`, `__` between levels),
and `--set key=value` or a DAG run's settings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from recommender_job.environment import ENV_PREFIX, StrictEnvironment, known_keys, suggest
from recommender_job.errors import ConfigurationError

Holdout = Literal["last", "time", "random"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(_Section):
    """The ranking model and how it is trained."""

    embedding_dimension: int = Field(32, ge=1, le=1024, description="Length of each user and experience vector.")
    embedding_init: float = Field(0.05, ge=0, description="Vectors start uniform in ± this.")
    hidden_layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (256, 64), description="Widths of the dense relu layers."
    )
    bias_terms: bool = Field(True, description="One bias for each user and each experience.")
    dot_product: bool = Field(True, description="Add dot(user, experience).")
    output_bias_at_mean: bool = Field(True, description="Start the output bias at the mean rating, not at 0.")
    unseen: Literal["zero", "random"] = Field(
        "zero", description="Row of an id not seen in training: zeros, or the random row it started with."
    )
    l2_embedding: float = Field(0.1, ge=0, description="L2 penalty of the vectors of each rating.")
    l2_bias: float = Field(0.2, ge=0, description="L2 penalty of the biases of each rating.")
    l2_dense: float = Field(0.1, ge=0, description="L2 penalty of the dense layers' weights.")
    optimizer: Literal["adam", "adagrad"] = Field("adam", description="Optimizer.")
    learning_rate: float = Field(0.005, gt=0, description="Step size of the optimizer.")
    batch_size: int = Field(256, ge=1, description="Ratings in a training step.")
    epochs: int = Field(80, ge=1, description="Passes over the ratings; the most, when stopping early.")

    @field_validator("hidden_layers", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        """`256,64` as it is written in the environment and on the command line."""
        if isinstance(value, str):
            return tuple(part for part in value.strip("[]() ").split(",") if part.strip())
        return value

    validation_share: float = Field(
        0.0, ge=0, lt=1, description="Share of the training pairs kept aside to stop early; 0: always all epochs."
    )
    patience: int = Field(5, ge=1, description="Epochs without improvement on the validation part before stopping.")


#: The settings of the original job, exactly: concatenated embeddings into dense layers and nothing else.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "seed": {
        "embedding_dimension": 32,
        "embedding_init": 0.05,
        "hidden_layers": (256, 64),
        "bias_terms": False,
        "dot_product": False,
        "output_bias_at_mean": False,
        "unseen": "random",
        "l2_embedding": 0.0,
        "l2_bias": 0.0,
        "l2_dense": 0.0,
        "optimizer": "adagrad",
        "learning_rate": 0.1,
        "batch_size": 8192,
        "epochs": 1000,
        "validation_share": 0.0,
    },
}


class GateConfig(_Section):
    """What tonight's model must reach before the website sees its lists."""

    max_rmse: float = Field(1.0, gt=0, description="Highest RMSE on the holdout that passes, in rating points.")
    bias_shrinkage: float = Field(
        2.0, ge=0, description="Ratings' worth of pull to the mean in the naive predictors; 0: plain means."
    )


class Config(BaseSettings):
    """Settings of one run. Times are in the unit that the name ends with."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        toml_file="recommender.toml",
        frozen=True,
        extra="forbid",
    )

    home: Path = Field(Path("var"), description="Folder of the embedded database and of the runs.")
    database_url: SecretStr | None = Field(
        None, description="postgresql:// URL of the database; without it, the embedded one under `home`."
    )
    runs_url: str | None = Field(None, description="Folder or fsspec URL of the run folders; default `home`/runs.")
    source_queries: Path | None = Field(
        None, description="Folder with ratings.sql, experiences.sql, users.sql; default: those of the sample schema."
    )

    rating_min: float = Field(1.0, allow_inf_nan=False, description="Lowest rating of the scale.")
    rating_max: float = Field(5.0, allow_inf_nan=False, description="Highest rating of the scale.")
    relevant_rating: float = Field(4.0, description="Rating from which an experience counts as liked.")
    timezone: str = Field("America/Bogota", description="IANA zone of dates and times that carry none.")
    lookback_minutes: float = Field(
        10.0, ge=0, description="Minutes before the watermark that are read again, for ratings that committed late."
    )

    holdout: Holdout = Field("last", description="Pairs to evaluate on: last of each user, latest, or random.")
    holdout_share: float = Field(0.2, gt=0, lt=1, description="Share held out by `time` and `random`.")
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of everything random.")
    preset: Literal["default", "seed"] = Field("default", description="Model settings to start from.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="The ranking model.")
    gate: GateConfig = Field(default_factory=GateConfig, description="The gate.")

    top_n: int = Field(10, ge=1, le=1000, description="Experiences in a user's list.")
    shards: int = Field(2, ge=1, le=1024, description="Parts in which the users are scored, one task each.")
    block_pairs: int = Field(
        100_000, ge=1, description="User-experience pairs scored at once; bounds a scoring task's memory."
    )
    popularity_prior: float = Field(
        10.0, gt=0, description="Ratings' worth of pull to the mean in the default list's Bayesian average."
    )

    dry_run: bool = Field(False, description="Build and check the publication but do not switch to it.")
    allow_older: bool = Field(False, description="Let this run replace the publication of a newer night.")
    keep_publications: int = Field(3, ge=1, le=100, description="Publications kept for rollback, the active included.")
    fresh_hours: float = Field(36.0, gt=0, description="Hours after which a publication counts as stale.")

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, values: Any) -> Any:
        """Explicit model settings win over the preset's, whichever source they come from."""
        preset = PRESETS.get(str(values.get("preset", "default")), {})
        given = values.get("model", {})
        if isinstance(given, Mapping) and preset:
            return {**values, "model": {**preset, **given}}
        return values

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None
        return value

    @model_validator(mode="after")
    def _scale_has_width(self) -> Config:
        if self.rating_min >= self.rating_max:
            raise ValueError("rating_min must lie below rating_max")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Overrides first, then the environment, then the file."""
        return init_settings, StrictEnvironment(settings_cls), TomlConfigSettingsSource(settings_cls)

    @property
    def runs(self) -> str:
        """Where the run folders lie, as a path or URL."""
        return self.runs_url or str(self.home.resolve() / "runs")


def load_config(overrides: Mapping[str, Any] | Iterable[str] = ()) -> Config:
    """Reads the configuration.

    Args:
        overrides: `{"gate.max_rmse": 0.9}` or `["gate.max_rmse=0.9"]`; dots lead into sections.

    Raises:
        ConfigurationError: A key is unknown or a value out of bounds; names the key, the value and the nearest key.
    """
    nested: dict[str, Any] = {}
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_split_assignment, overrides)
    for key, value in pairs:
        *sections, last = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigurationError(f"`{section}` is a section, not a value.", action=f"Set `{key}` alone.")
        place[last] = value
    try:
        return Config(**nested)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"recommender.toml is no TOML: {error}.", action="Correct the file.") from None
    except SettingsError as error:
        raise ConfigurationError(f"{error}.", action="Correct the environment variable of that section.") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        known = set(known_keys(Config))
        if first["type"] == "extra_forbidden":
            raise ConfigurationError(f"Unknown setting `{key}`.", action=suggest(key, known)) from None
        # Only a single value is shown: a whole section, or the URL, may hold a password.
        single = isinstance(first["input"], str | int | float) and key != "database_url"
        shown = f" (given: {first['input']!r})" if single else ""
        raise ConfigurationError(
            f"Setting `{key}`: {first['msg']}{shown}.", action=f"Correct `{key}` and start again."
        ) from None


def _split_assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigurationError(f"`{text}` is not key=value.", action="Write for example --set gate.max_rmse=0.9.")
    return key.strip(), value.strip()
