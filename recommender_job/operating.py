"""The sections of the configuration that are about the people who run the job: notices, reports and metrics."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from recommender_job.sections import Section, split_list


class NotifyConfig(Section):
    """Who is told when a task has failed for good, and whether also when a night ended well."""

    email_to: tuple[str, ...] = Field((), description="Addresses that get a message; none: no e-mail.")
    email_from: str | None = Field(
        None, description="Sender of the messages; default: the one that the connection names."
    )
    smtp_connection: str = Field("smtp_default", description="Airflow connection of the mail server.")
    webhook_url: SecretStr | None = Field(
        None, description="URL that gets a POST with {'text': …}, as chat services take it."
    )
    success: bool = Field(False, description="Also tell, in one line, when a night has ended well.")
    runbook_url: str | None = Field(
        None, description="Address of the runbook in messages; default: the page that the Airflow plugin shows."
    )

    @field_validator("email_to", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return split_list(value)


class ReportConfig(Section):
    """The report of a run."""

    nights: int = Field(30, ge=2, le=365, description="Last nights that its charts show.")
    users: int = Field(5, ge=0, le=100, description="Users of whom it shows what changed against the last night.")


class MetricsConfig(Section):
    """Figures for monitoring."""

    textfile: Path | None = Field(
        None, description="Folder for a Prometheus text file, as node_exporter collects them; empty: none is written."
    )
