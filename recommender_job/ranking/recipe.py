"""The recipe of a model: everything that training needs besides the ratings. What a champion is remembered by."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from recommender_job.settings import ModelConfig


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Part):
    """One network of the average."""

    name: str = Field(description="Of the candidate it comes from.")
    settings: ModelConfig
    seed: int
    weight: float = Field(ge=0, description="Share in the predicted rating.")


class BiasPart(_Part):
    """The bias model's part of the average."""

    user_shrinkage: float = Field(2.0, ge=0)
    experience_shrinkage: float = Field(10.0, ge=0)
    weight: float = Field(0.0, ge=0)


class RelevancePart(_Part):
    """How the experiences that a user may want are found (see `relevance.py`)."""

    method: Literal["ease", "als", "popularity"] = "ease"
    l2: float = Field(100.0, ge=0, description="Penalty: of EASE in interactions, of ALS in its own unit.")
    activity_power: float = Field(0.0, ge=0, le=1, description="A user counts activity ** -this in EASE.")
    popularity: float = Field(0.1, ge=0, description="Weight of the share of users who rated the experience.")


class Recipe(_Part):
    """What a predictor and a relevance model are trained by. The weights of members and bias sum to one."""

    members: tuple[Member, ...]
    bias: BiasPart = BiasPart()
    relevance: RelevancePart = RelevancePart()


def seeded(name: str, settings: ModelConfig, seed: int, weight: float = 1.0) -> tuple[Member, ...]:
    """Networks of the same settings, as many as `settings.seeds` says, that share a weight."""
    count = settings.seeds
    return tuple(Member(name=name, settings=settings, seed=seed + i, weight=weight / count) for i in range(count))
