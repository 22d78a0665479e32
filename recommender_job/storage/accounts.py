"""Databases and accounts on a server of the job's own, with the rights that each needs; changes only what differs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Sequence

from recommender_job.storage.database import Database, Transaction

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(?P<rounds>\d+):(?P<salt>[^$]+)\$.+")
_ROUNDS = 4096


def ensure_database(server: Database, name: str) -> bool:
    """Makes a database that nobody but a superuser and its owner may connect to, unless it is there.

    Args:
        server: As a superuser; any database of the server.
        name: The database.

    Returns:
        Whether it was made.
    """
    with server.autocommit() as session:
        if session.row("select from pg_database where datname = :name", name=name) is not None:
            return False
        session.define("create database {name}", {"name": name})
        session.define("revoke all on database {name} from public", {"name": name})
    return True


def ensure_account(
    transaction: Transaction, name: str, password: str, *, roles: Sequence[str] = (), connect: str = "", owns: str = ""
) -> None:
    """Makes an account that can log in and nothing else, and gives it what is named.

    Args:
        transaction: As a superuser.
        name: The account.
        password: Its password, set again where the account has another.
        roles: Roles it is to be a member of.
        connect: Database that it may connect to.
        owns: Database that it is to own, and so to connect to.
    """
    if transaction.row("select from pg_roles where rolname = :name", name=name) is None:
        transaction.define("create role {name} login", {"name": name})
    ensure_password(transaction, name, password)
    for role in roles:
        transaction.define("grant {role} to {name}", {"role": role, "name": name})
    if connect:
        transaction.define("grant connect on database {database} to {name}", {"database": connect, "name": name})
    if owns:
        transaction.define("alter database {database} owner to {name}", {"database": owns, "name": name})


def ensure_password(transaction: Transaction, name: str, password: str) -> bool:
    """Sets an account's password unless it is that already.

    The server gets what it keeps of a password, never the password, which its log would show if the statement failed.

    Args:
        transaction: As a superuser.
        name: The account.
        password: In ASCII.

    Returns:
        Whether it was set.
    """
    kept = transaction.row("select rolpassword as verifier from pg_authid where rolname = :name", name=name)
    verifier = (kept or {}).get("verifier") or ""
    found = _VERIFIER.fullmatch(verifier)
    if found and verifier == _verifier(password, base64.b64decode(found["salt"]), int(found["rounds"])):
        return False
    transaction.define(
        "alter role {name} password {verifier}", {"name": name}, verifier=_verifier(password, os.urandom(16), _ROUNDS)
    )
    return True


def _verifier(password: str, salt: bytes, rounds: int) -> str:
    """What PostgreSQL keeps of a password (RFC 5803)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${rounds}:{salt_text}${stored_text}:{server_text}"
