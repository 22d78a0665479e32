"""The sections of the configuration that guard what comes in and what goes out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from recommender_job.sections import Section, split_list


class QuarantineConfig(Section):
    """Refused rows."""

    max_share: float = Field(0.1, ge=0, le=1, description="Share of refused ratings above which a night stops.")
    min_rows: int = Field(20, ge=1, description="Fewer refused ratings than this never stop a night.")
    keep_days: float = Field(90.0, gt=0, le=36_500, description="Days after which a night deletes refused rows.")


class SanityConfig(Section):
    """What a night's ratings as a whole are held to, against the last nights that were accepted."""

    mode: Literal["stop", "warn", "off"] = Field(
        "stop", description="stop: ratings that look wrong end the night; warn: they are accepted and noted."
    )
    nights: int = Field(14, ge=1, le=365, description="Recent nights to compare with.")
    min_rows: int = Field(1000, ge=1, description="Sources that had and have fewer ratings than this are not judged.")
    max_z: float = Field(6.0, gt=0, description="Highest distance from the recent nights, in their spreads.")
    growth_floor: float = Field(
        0.05, gt=0, description="Smallest spread of the growth from night to night, as a share of the ratings."
    )
    share_floor: float = Field(0.05, gt=0, le=1, description="Smallest spread of the shares of new users, experiences.")
    max_psi: float = Field(
        0.25, gt=0, description="Highest population stability index of the rating distribution against the last night."
    )


class RulesConfig(Section):
    """What may stand in a list beside what the tables say (sql/source/experience_rules.sql, opt_outs.sql)."""

    max_per_group: int | None = Field(
        None, ge=1, description="Most experiences of one group in a list; empty: any number."
    )
    group_by_name: bool = Field(
        False, description="Experiences without a group whose names differ in numbers only are one."
    )
    pinned: tuple[int, ...] = Field(
        (), description="Experience ids at the front of every list, before pinned ones of the table."
    )
    excluded: tuple[int, ...] = Field((), description="Experience ids that are never recommended.")

    @field_validator("pinned", "excluded", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        return split_list(value)

    @model_validator(mode="after")
    def _fits_together(self) -> RulesConfig:
        both = set(self.pinned) & set(self.excluded)
        if both:
            raise ValueError(f"experience {min(both)} is both pinned and excluded")
        return self


class ChecksConfig(Section):
    """What the lists of a night as a whole are held to before the switch."""

    min_users: int = Field(100, ge=1, description="Fewer users than this are not judged as a whole.")
    min_distinct_lists: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Lowest number of different lists, as a share of the users, or half of what the default list would"
        " make without what each has taken; 0: any.",
    )
    min_overlap: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Lowest share of the lists that was in the last publication's, on average; 0: any.",
    )
