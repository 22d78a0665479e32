"""What Airflow's own database knows and is told: which runs it has, and who went back to what."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.utils.session import create_session

from recommendations.access import DAG, Visitor

log = logging.getLogger(__name__)


def runs_known(run_ids: Iterable[str]) -> set[str]:
    """Those of the runs that Airflow has a page for; runs of the command line have none."""
    statement = sa.select(DagRun.run_id).where(DagRun.dag_id == DAG, DagRun.run_id.in_(list(run_ids)))
    with create_session() as session:
        return set(session.scalars(statement))


def record(event: str, visitor: Visitor, **details: Any) -> None:
    """Writes a line into the DAG's audit log in Airflow, and into the API server's own log."""
    log.info("%s by %s: %s", event, visitor.name, details)
    with create_session() as session:
        session.add(
            Log(event=event, dag_id=DAG, owner=visitor.name, owner_display_name=visitor.name, extra=json.dumps(details))
        )
