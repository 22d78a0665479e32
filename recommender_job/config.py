"""All settings of the job, in one frozen, validated object that is passed in.

Sources, later ones win: defaults, `preset`, `recommender.toml` or the file that `RECOMMENDER_CONFIG` names,
environment (`RECOMMENDER_…`, `__` between levels), and `--set key=value` or a DAG run's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from recommender_job.config_contradictions import contradiction
from recommender_job.config_file import ConfigFile
from recommender_job.config_problems import Problem, first_of, invalid, unknown_in_environment
from recommender_job.config_values import StoreUrl, ZoneName
from recommender_job.environment import ENV_PREFIX, Environment
from recommender_job.errors import ConfigurationError
from recommender_job.operating import MetricsConfig, NotifyConfig, ReportConfig
from recommender_job.overrides import nested_settings
from recommender_job.safeguards import ChecksConfig, QuarantineConfig, RulesConfig, SanityConfig
from recommender_job.sections import empty_is_none
from recommender_job.settings import (
    PRESETS,
    Devices,
    EvaluationConfig,
    GateConfig,
    Holdout,
    ModelConfig,
    RelevanceConfig,
    SelectionConfig,
)


class Config(BaseSettings):
    """Settings of one run. Times are in the unit that the name ends with."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
    )

    home: Path = Field(Path("var"), description="Folder of the embedded database and of the runs.")
    database_url: SecretStr | None = Field(
        None, description="postgresql:// URL of the database; without it, the embedded one under `home`."
    )
    runs_url: StoreUrl | None = Field(None, description="Folder or fsspec URL of the run folders; default `home`/runs.")
    source_queries: Path | None = Field(
        None, description="Folder with the source queries, ratings.sql and others; default: those of the sample schema."
    )

    rating_min: float = Field(1.0, allow_inf_nan=False, description="Lowest rating of the scale.")
    rating_max: float = Field(5.0, allow_inf_nan=False, description="Highest rating of the scale.")
    relevant_rating: float = Field(
        4.0, description="Rating from which an experience counts as liked; above `rating_min`, at most `rating_max`."
    )
    timezone: ZoneName = Field("America/Bogota", description="IANA zone of dates and times that carry none.")
    lookback_minutes: float = Field(
        60.0,
        ge=0,
        le=525_600,
        description="Minutes before the watermark that are read again, for ratings that committed late.",
    )
    full_read: bool = Field(False, description="Read all ratings again, whatever earlier runs have read.")
    full_read_days: float = Field(
        7.0,
        ge=0,
        le=36_500,
        description="Days after which all ratings are read again by themselves; 0: every night, 36500: hardly ever.",
    )
    extract_memory_mb: int = Field(
        512, ge=64, description="Memory in MiB for sorting ratings, to merge and to clean them; more goes to the disk."
    )
    train_memory_mb: int = Field(
        4096, ge=64, description="Memory in MiB for the ratings while training; more of them are read from the disk."
    )
    train_devices: Devices = Field(
        "auto",
        description="What trains: auto: a graphics card where there is one; all_gpus: every one of several; cpu: none.",
    )
    score_devices: Devices = Field(
        "auto",
        description="What predicts the ratings of every pair: auto: a graphics card where there is one; all_gpus: every"
        " one of several, in turn; cpu: none.",
    )
    quarantine: QuarantineConfig = Field(default_factory=QuarantineConfig, description="Refused rows.")
    sanity: SanityConfig = Field(default_factory=SanityConfig, description="The ratings of a night as a whole.")

    holdout: Holdout = Field("last", description="Pairs to evaluate on: last of each user, latest, or random.")
    holdout_share: float = Field(0.2, gt=0, lt=1, description="Share held out by `time` and `random`.")
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of everything random.")
    preset: Literal["default", "seed"] = Field("default", description="Model settings to start from.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="The ranking model.")
    selection: SelectionConfig = Field(default_factory=SelectionConfig, description="The choice of the model.")
    relevance: RelevanceConfig = Field(default_factory=RelevanceConfig, description="What may stand in a list.")
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig, description="The figures of a night.")
    gate: GateConfig = Field(default_factory=GateConfig, description="The gate.")

    candidates_per_user: int | Literal["all"] | None = Field(
        None,
        description="Experiences that relevance picks for a user, of which the list is made; default `top_n`; `all`:"
        " every experience, the list is then made by predicted rating alone.",
    )
    order_by: Literal["predicted_rating", "relevance"] = Field(
        "predicted_rating", description="What orders the list from left to right."
    )
    predict: Literal["all", "candidates"] = Field(
        "all", description="Pairs that get a predicted rating; `candidates` is for large catalogues, same lists."
    )
    keep_all_predictions: bool = Field(
        False, description="Write the predicted rating of every user and eligible experience to the run folder."
    )
    top_n: int = Field(10, ge=1, le=1000, description="Experiences in a user's list.")
    shards: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Parts in which the users are scored, one task each, and published; default: by the number of users"
        ", of experiences, and by `predict`; two at least.",
    )
    block_pairs: int = Field(
        1_600_000,
        ge=1,
        description="User-experience pairs that a thread scores at once, about 8 bytes of memory each. Beside them, a"
        " scoring task holds the experiences' side of the model and at most 50,000 users' ratings, however many users"
        " there are; from 200 million pairs on, also a compiler, of 110 MiB.",
    )
    score_threads: int | None = Field(
        None, ge=1, le=1024, description="Threads of a scoring task; default: as many as it may run at once."
    )
    popularity_prior: float = Field(
        10.0, gt=0, description="Ratings' worth of pull to the mean in the default list's Bayesian average."
    )

    rules: RulesConfig = Field(default_factory=RulesConfig, description="What may stand in a list.")
    checks: ChecksConfig = Field(default_factory=ChecksConfig, description="The lists of a night as a whole.")
    dry_run: bool = Field(False, description="Build and check the publication but do not switch to it.")
    allow_older: bool = Field(False, description="Let this run replace the publication of a newer night.")
    keep_publications: int = Field(
        3,
        ge=1,
        le=100,
        description="Publications kept for rollback, the active included; what was live before it stays in any case.",
    )
    fresh_hours: float = Field(36.0, gt=0, le=876_000, description="Hours after which a publication counts as stale.")

    notify: NotifyConfig = Field(default_factory=NotifyConfig, description="Who is told of failures.")
    report: ReportConfig = Field(default_factory=ReportConfig, description="The report of a run.")
    metrics: MetricsConfig = Field(default_factory=MetricsConfig, description="Figures for monitoring.")

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, values: Any) -> Any:
        """Explicit model settings win over the preset's, whichever source they come from."""
        values = empty_is_none(cls, values, but="database_url")  # the embedded one instead would be a surprise
        preset = PRESETS.get(str(values.get("preset", "default")), {})
        given = values.get("model", {})
        if isinstance(given, Mapping) and preset:
            return {**values, "model": {**preset, **given}}
        return values

    @field_validator("candidates_per_user", mode="wrap")
    @classmethod
    def _number_or_all(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        """One message under the setting's own name, where pydantic would tell one for each type it can have."""
        try:
            return validate(value)
        except ValidationError:
            raise ValueError("must be a whole number or `all`") from None

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if (told := contradiction(self)) is not None:
            raise ValueError(told)
        return self

    @property
    def chooses_model(self) -> bool:
        """Whether the model is chosen among the candidates, rather than configured."""
        if self.selection.mode == "auto":
            return "model" not in self.model_fields_set  # a preset sets it too
        return self.selection.mode == "always"

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
        return init_settings, Environment(settings_cls), ConfigFile(settings_cls)

    @property
    def runs(self) -> str:
        """Where the run folders lie, as a path or URL."""
        return self.runs_url or str(self.home.resolve() / "runs")


def load_config(overrides: Mapping[str, Any] | Iterable[str] = ()) -> Config:
    """Reads the configuration.

    Args:
        overrides: `{"gate.max_rmse": 0.9}`, `{"gate": {"max_rmse": 0.9}}` or `["gate.max_rmse=0.9"]`; dots lead into
            sections.

    Raises:
        ConfigurationError: A key is unknown or a value out of bounds; names the key, the value and the nearest key.
    """
    nested, unknown = nested_settings(overrides), unknown_in_environment(Config)
    if unknown:
        raise first_of(unknown)
    try:
        return Config(**nested)
    except SettingsError as error:
        raise ConfigurationError(f"{error}.", action="Correct the environment variable of that section.") from None
    except ValidationError as error:
        raise first_of(invalid(Config, error)) from None


def problems_of(overrides: Mapping[str, Any] | Iterable[str] = ()) -> list[Problem]:
    """Everything that is wrong with the settings, where `load_config` tells the first.

    Raises:
        ConfigurationError: There is nothing to look at: the file is no TOML, or an override no assignment.
    """
    nested, found = nested_settings(overrides), unknown_in_environment(Config)
    try:
        Config(**nested)
    except SettingsError as error:
        raise ConfigurationError(f"{error}.", action="Correct the environment variable of that section.") from None
    except ValidationError as error:
        # A misspelt key of a section that exists is found twice: in the environment, and then in the section.
        found += [problem for problem in invalid(Config, error) if problem.key not in {one.key for one in found}]
    return found
