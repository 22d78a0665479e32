"""A visitor who knows what a whole list looks like, though not tonight's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.e2e.visitors import Visitor


class Watcher(Visitor):
    """Reads lists as the website does, all the time, and keeps every one that is not whole.

    Args:
        url: How the website connects.
        users: Whose lists; and a stranger's.
        length: Experiences in a list.
    """

    def __init__(self, url: str, users: Iterable[int], length: int) -> None:
        self.length = length
        self.publications: list[int] = []
        super().__init__(url, {user: set() for user in users})

    def _look(self, connection: Any, query: str, user: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(query, (user,))
            rows = cursor.fetchall()
        publications = {row[-1] for row in rows}
        ranks = [row[0] for row in rows]
        if (
            len(publications) != 1
            or ranks != list(range(1, self.length + 1))
            or len({row[1] for row in rows}) < len(rows)
        ):
            self.wrong.append(f"user {user} saw {rows}")
        elif not self.publications or self.publications[-1] not in publications:
            self.publications += publications
        self.reads += 1
