"""The sections of the configuration: the ranking model, how it is chosen, relevance, evaluation and the gate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from recommender_job.sections import Section, split_list

Holdout = Literal["last", "time", "random"]
Devices = Literal["auto", "cpu", "all_gpus"]


class ModelConfig(Section):
    """The ranking model and how it is trained."""

    embedding_dimension: int = Field(32, ge=1, le=1024, description="Length of each user and experience vector.")
    embedding_init: float = Field(0.05, ge=0, description="Vectors start uniform in ± this.")
    hidden_layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (256, 64), description="Widths of the dense relu layers."
    )
    dense: bool = Field(True, description="Add the dense layers on the concatenated vectors.")
    bias_terms: bool = Field(True, description="One bias for each user and each experience.")
    biases: Literal["learned", "closed_form"] = Field(
        "learned",
        description="learned: the biases are trained with the rest; closed_form: they are the bias model's, shrunk as"
        " below, and the rest learns what they leave over.",
    )
    user_shrinkage: float = Field(2.0, ge=0, description="Ratings' worth of pull to zero on closed-form user biases.")
    experience_shrinkage: float = Field(
        10.0, ge=0, description="Ratings' worth of pull to zero on closed-form experience biases."
    )
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
    seeds: int = Field(1, ge=1, le=100, description="Models that differ in their seed only; their mean predicts.")
    validation_share: float = Field(
        0.0, ge=0, lt=1, description="Share of the training pairs kept aside to stop early; 0: always all epochs."
    )
    patience: int = Field(5, ge=1, description="Epochs without improvement on the validation part before stopping.")

    @field_validator("hidden_layers", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        return split_list(value)

    @model_validator(mode="after")
    def _predicts_something(self) -> ModelConfig:
        if not (self.dense or self.bias_terms or self.dot_product):
            raise ValueError("one of dense, bias_terms and dot_product must be on")
        return self


#: The settings of the original job, exactly: concatenated embeddings into dense layers and nothing else.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "seed": {
        "embedding_dimension": 32,
        "embedding_init": 0.05,
        "hidden_layers": (256, 64),
        "dense": True,
        "bias_terms": False,
        "biases": "learned",
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
        "seeds": 1,
        "validation_share": 0.0,
    },
}


class Candidate(Section):
    """One of the settings that are compared."""

    from_pairs: int = Field(0, ge=0, description="Tried when there are so many training pairs or more.")
    below_pairs: int | None = Field(None, ge=1, description="Tried when there are fewer training pairs than that.")
    model: ModelConfig = Field(description="The settings.")

    def suits(self, pairs: int) -> bool:
        """Whether it is worth trying on so many training pairs."""
        return self.from_pairs <= pairs and (self.below_pairs is None or pairs < self.below_pairs)


def default_candidates() -> dict[str, Candidate]:
    """A short list that spans what serves small, sparse ratings and larger, denser ones (docs/decisions/0004)."""
    some, many = 20_000, 200_000
    narrow: dict[str, Any] = {"hidden_layers": (64,), "learning_rate": 0.01, "batch_size": 256, "epochs": 40}
    factors = {"dense": False, "embedding_init": 0.1}
    rich = {"embedding_dimension": 64, "hidden_layers": (64,), "l2_bias": 0.02, "learning_rate": 0.003}
    steps, fewer_steps = {"batch_size": 1024, "epochs": 50}, {"batch_size": 4096, "epochs": 20}

    def penalties(embedding: float, bias: float, dense: float) -> dict[str, float]:
        return {"l2_embedding": embedding, "l2_bias": bias, "l2_dense": dense}

    small = {
        "narrow": {**narrow, **penalties(0.2, 0.2, 0.1)},
        "narrow_strong": {**narrow, **penalties(0.4, 0.4, 0.2)},
        "narrow_light": {**narrow, **penalties(0.1, 0.1, 0.05)},
        "factors": {**narrow, "dense": False, "embedding_dimension": 64, **penalties(0.2, 0.2, 0.0)},
    }
    large = {
        "rich": {**rich, "l2_embedding": 0.15, "l2_dense": 0.01},
        "rich_light": {**rich, "l2_embedding": 0.1, "l2_dense": 0.01},
        "rich_factors": {**rich, **factors, "l2_embedding": 0.12},
    }

    def candidate(settings: dict[str, Any], from_pairs: int = 0, below_pairs: int | None = None) -> Candidate:
        return Candidate(from_pairs=from_pairs, below_pairs=below_pairs, model=ModelConfig(**settings))

    return {
        **{name: candidate(settings, below_pairs=some) for name, settings in small.items()},
        "narrow_on_biases": candidate({**narrow, **penalties(0.2, 0.0, 0.1), "biases": "closed_form"}, 0, many),
        **{name: candidate({**settings, **steps}, some, many) for name, settings in large.items()},
        **{f"{name}_many": candidate({**settings, **fewer_steps}, many) for name, settings in large.items()},
    }


class SelectionConfig(Section):
    """How the model's settings are chosen, on parts of the training part cut as the holdout was."""

    mode: Literal["auto", "always", "never"] = Field(
        "auto", description="auto: unless `model` or `preset` is set, which then is the model; never: `model` as it is."
    )
    candidates: dict[str, Candidate] = Field(
        default_factory=default_candidates, min_length=1, description="Settings to compare, by name, in this order."
    )
    folds: int = Field(2, ge=1, le=10, description="Validation parts, where one alone is small.")
    close: float = Field(
        0.015, ge=0, le=1, description="Candidates whose RMSE is at most this share above the best one's are averaged."
    )
    max_networks: int = Field(
        5,
        ge=1,
        le=20,
        description="Networks in the average; where fewer candidates come close, each has several seeds.",
    )
    network_pairs: int = Field(
        1_500_000, ge=1, description="Networks times training pairs, at most: on many pairs, fewer are averaged."
    )
    budget_seconds: float = Field(300.0, gt=0, description="No further candidate is begun after so long.")
    sample_pairs: int = Field(
        1_000_000, ge=1, description="Beyond so many pairs, a sample of the users is compared on."
    )
    once_above_pairs: int = Field(
        1_000_000,
        ge=1,
        description="Beyond so many pairs, one candidate is chosen once, and kept as long as its model is live.",
    )


class RelevanceConfig(Section):
    """The relevance model. Of several values, the best on the validation parts is chosen."""

    method: Literal["auto", "ease", "als", "popularity"] = Field(
        "auto", description="auto: EASE up to `ease_up_to` experiences, ALS beyond."
    )
    ease_up_to: int = Field(10_000, ge=1, description="Experiences that EASE's inverse is affordable for.")
    ease_l2: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (100.0, 20.0, 5.0, 50.0, 200.0, 500.0), min_length=1, description="Penalties of EASE to choose from."
    )
    activity_power: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.5), min_length=1, description="How much less active users count in EASE, to choose from."
    )
    als_l2: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (30.0, 15.0), min_length=1, description="Penalties of ALS to choose from."
    )
    popularity: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.0, 0.1, 0.3, 1.0, 3.0), min_length=1, description="Weights of popularity to choose from."
    )

    @field_validator("ease_l2", "activity_power", "als_l2", "popularity", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        return split_list(value)


class EvaluationConfig(Section):
    """The figures on the holdout."""

    resamples: int = Field(2000, ge=100, le=10_000, description="Bootstrap resamples behind each interval.")
    level: float = Field(0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    list_users: int = Field(20_000, ge=1, description="Held-out users whose lists are evaluated, at most.")


class GateConfig(Section):
    """What tonight's model must reach before the website sees its lists."""

    max_rmse: float = Field(1.0, gt=0, description="Highest RMSE on the holdout that passes, in rating points.")
    when_blocked: Literal["auto", "ask", "stop"] = Field(
        "auto",
        description="ask: wait for somebody to approve or reject in Airflow; stop: fail at once; auto: ask in scheduled"
        " runs, stop in others.",
    )
    answer_hours: float = Field(
        6.0, gt=0, le=23, description="Hours to wait for an answer, after which the website keeps the last lists."
    )
    bias_shrinkage: float = Field(
        2.0, ge=0, description="Ratings' worth of pull to the mean in the naive predictors; 0: plain means."
    )
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="Chance of blocking a model that is as good as what it is compared with."
    )
    max_list_loss: float = Field(
        0.1, ge=0, le=1, description="Share of popularity's recall that lists may fall short of; 1: any."
    )
    min_personal_lists: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Lowest share of pairs of users whose lists differ by more than what the two have rated; 0: any.",
    )
    min_distinct_lists: float = Field(
        0.05, ge=0, le=1, description="Lowest number of different lists, as a share of the users; popularity's at most."
    )
    max_exposure: float = Field(
        0.98, gt=0, le=1, description="Highest share of the lists in which one experience may stand, or popularity's."
    )
