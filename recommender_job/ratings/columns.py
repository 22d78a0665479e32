"""Which column of a ratings file is which, and how its dates are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recommender_job.errors import BadFile

#: Header names that are recognised, compared without case.
KNOWN = {
    "user": ("user", "user_id", "userid", "id_cliente", "cliente", "usuario", "id_usuario", "customer_id"),
    "experience": (
        "experience",
        "experience_name",
        "experience_id",
        "nombre_corto_de_experiencia",
        "experiencia",
        "item",
        "item_id",
        "itemid",
        "movieid",
        "movie_id",
    ),
    "rating": ("rating", "calificacion", "calificación", "valoracion", "score"),
    "rated_at": ("rated_at", "fecha_interaccion", "timestamp", "fecha", "date"),
}
OPTIONAL = {"rated_at"}


@dataclass(frozen=True)
class Columns:
    """How to read a ratings file.

    Args:
        user, experience, rating, rated_at: Header names; None: recognised by `KNOWN`.
        date_format: `strptime` format of `rated_at`; None: recognised.
        timezone: IANA zone of dates that carry none.
        delimiter: Field separator.
        encoding: Text encoding of the file; a byte order mark is accepted.
    """

    user: str | None = None
    experience: str | None = None
    rating: str | None = None
    rated_at: str | None = None
    date_format: str | None = None
    timezone: str = "America/Bogota"
    delimiter: str = ","
    encoding: str = "utf-8"

    def places(self, header: Sequence[str], file: Path, *, dates_needed: bool) -> dict[str, int]:
        """Finds each column in the header.

        Args:
            header: The file's first line.
            file: Named in errors.
            dates_needed: Whether a file without `rated_at` is refused.

        Returns:
            Place of `user`, `experience`, `rating` and, where there is one, `rated_at`.

        Raises:
            BadFile: A column is missing or named twice; lists what the header has and the option that helps.
        """
        tidy = [name.strip().lower() for name in header]
        found = {}
        for role, known in KNOWN.items():
            asked = getattr(self, role)
            wanted = (asked.strip().lower(),) if asked else known
            hits = [place for place, name in enumerate(tidy) if name in wanted]
            if len(hits) == 1:
                found[role] = hits[0]
            elif hits or asked or role not in OPTIONAL or dates_needed:
                option = "--" + role.replace("_", "-")
                what = f"several columns for `{role}`" if hits else f"no column for `{role}`"
                raise BadFile(
                    f"{file} has {what}; its header is {', '.join(map(repr, header)) or 'empty'}.",
                    action=f"Name the column with {option}, or the separator with --delimiter.",
                )
        return found
