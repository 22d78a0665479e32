"""Who may look and who may go back: what Airflow's own auth manager says of the nightly DAG.

Whoever may read the DAG may look; whoever may edit it may roll back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod

DAG = "nightly_recommendations"


class NotSignedInError(Exception):
    """Nobody is signed in, or no longer."""


class NotAllowedError(Exception):
    """Airflow does not let this user do it."""


@dataclass(frozen=True)
class Visitor:
    """Whoever is signed in and may look.

    Args:
        id: As the auth manager knows them.
        name: As Airflow's audit log names them.
        may_roll_back: Whether they may edit the DAG.
    """

    id: str
    name: str
    may_roll_back: bool


async def _signed_in(request: Request) -> BaseUser:
    try:
        return await get_user(request, None, await bearer_scheme(request))
    except HTTPException as error:
        raise NotSignedInError from error


def _visitor(user: Annotated[BaseUser, Depends(_signed_in)]) -> Visitor:
    if not _may("GET", user):
        raise NotAllowedError(f"You may not see the DAG `{DAG}`, so you may not see what it makes.")
    return Visitor(str(user.get_id()), user.get_name(), _may("PUT", user))


def _operator(visitor: Looking) -> Visitor:
    if not visitor.may_roll_back:
        raise NotAllowedError(f"Going back needs the right to edit the DAG `{DAG}`; you may look only.")
    return visitor


def _may(method: ResourceMethod, user: BaseUser) -> bool:
    details = DagDetails(id=DAG, team_name=DagModel.get_team_name(DAG))
    return get_auth_manager().is_authorized_dag(method=method, details=details, user=user)


def login_url(request: Request) -> str:
    """Airflow's login, which leads back to the page that was asked for."""
    root = airflow_root(request)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{root}/api/v2/auth/login?{urlencode({'next': back})}"


def airflow_root(request: Request) -> str:
    """The path at which Airflow is served, without a slash at its end; empty at the root of its host."""
    return str(request.scope["root_path"]).rpartition("/")[0]


#: Endpoints that take one of these are for those who may look, or who may roll back.
Looking = Annotated[Visitor, Depends(_visitor)]
RollingBack = Annotated[Visitor, Depends(_operator)]
