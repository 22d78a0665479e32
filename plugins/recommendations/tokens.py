"""Tokens against forged requests: a form works only for the user it was made for, and for what it showed them."""

from __future__ import annotations

from airflow.api_fastapi.auth.tokens import get_signing_key
from itsdangerous import BadSignature, URLSafeTimedSerializer

#: How long a confirmation may lie open, in seconds.
LIFETIME = 3600


def token(user: str, publication_id: int, live: int | None) -> str:
    """A token for one user's form.

    Args:
        user: Whom it is made for.
        publication_id: What the form makes live.
        live: What was live when it was shown; None: nothing.
    """
    return _signer().dumps([user, publication_id, live])


def accepts(text: str, user: str, publication_id: int, live: int | None) -> bool:
    """Whether the token is of this user, this form and the last hour."""
    try:
        return bool(_signer().loads(text, max_age=LIFETIME) == [user, publication_id, live])
    except BadSignature:  # of an expired one too
        return False


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(get_signing_key("api", "secret_key"), salt="recommendations: rollback")
