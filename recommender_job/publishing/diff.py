"""What changed for users from one publication to another, such as from what is live to a dry run."""

from __future__ import annotations

from typing import Any

from recommender_job.publishing.publications import chosen, kept
from recommender_job.storage.database import Database
from recommender_job.storage.partitions import PARENT

_ABOUT = ("publication_id", "run_id", "model_version", "data_through", "published_at", "users", "rows", "top_n", "rmse")

# Shares and means are those of the users who have a list in both. Aggregated where the rows are: however many users
# there are, one row comes back.
_COMPARISON = """
    with a as not materialized (
        select * from recommender.recommendation where publication_id = :a
    ), b as not materialized (
        select * from recommender.recommendation where publication_id = :b
    ), lists as (
        select user_id, a.n as n_a, b.n as n_b
        from (select user_id, count(*) as n from a group by user_id) as a
        full join (select user_id, count(*) as n from b group by user_id) as b using (user_id)
    ), shared as (
        select user_id, count(*) as n, count(*) filter (where a.rank = b.rank) as in_place,
            bool_or(a.rank = 1 and b.rank = 1) as same_first,
            sum(abs(a.predicted_rating::float8 - b.predicted_rating)) as change
        from a inner join b using (user_id, experience_id) group by user_id
    ), users as (
        select user_id, n_a is not null and n_b is not null as in_both, n_a is null as only_b,
            coalesce(shared.n, 0) as shared, coalesce(shared.same_first, false) as same_first, change,
            coalesce(shared.n, 0)::float8 / greatest(n_a, n_b) as overlap,
            coalesce(shared.in_place, 0)::float8 / greatest(n_a, n_b) as in_place
        from lists left join shared using (user_id)
    ), experiences as (
        select experience_id, coalesce(b.name, a.name) as experience_name,
            coalesce(a.n, 0)::float8 / nullif((select count(*) from lists where n_a is not null), 0) as share_a,
            coalesce(b.n, 0)::float8 / nullif((select count(*) from lists where n_b is not null), 0) as share_b
        from (select experience_id, max(experience_name) as name, count(*) as n from a group by experience_id) as a
        full join (
            select experience_id, max(experience_name) as name, count(*) as n from b group by experience_id
        ) as b using (experience_id)
    )
    select
        count(*) filter (where in_both) as both,
        count(*) filter (where not in_both and not only_b) as only_a,
        count(*) filter (where only_b) as only_b,
        (avg((in_place = 1)::int) filter (where in_both))::float8 as identical_lists,
        (avg(overlap) filter (where in_both))::float8 as mean_overlap,
        (avg((not same_first)::int) filter (where in_both))::float8 as first_changed,
        sum(change) / nullif(sum(shared), 0)::float8 as mean_rating_change,
        (
            select coalesce(json_agg(most), '[]') from (
                select experience_id, experience_name, share_a, share_b from experiences
                where share_a is distinct from share_b
                order by abs(coalesce(share_a, 0) - coalesce(share_b, 0)) desc, experience_id limit :experiences
            ) as most
        ) as experiences,
        (
            select coalesce(json_agg(most), '[]') from (
                select user_id, overlap from users where in_both and in_place < 1
                order by overlap, in_place, user_id limit :users
            ) as most
        ) as most_changed
    from users
"""


def diff(database: Database, a: int, b: int, *, experiences: int = 10, users: int = 5) -> dict[str, Any]:
    """Compares two publications.

    Args:
        database: Where they are.
        a: Id of one.
        b: Id of the other.
        experiences: At most so many experiences are named.
        users: At most so many users are named.

    Returns:
        `a`, `b`: what is on record of each; `users`: in `both`, `only_a`, `only_b`; of users in both
        `identical_lists` (share: same experiences in the same order), `mean_overlap` (shared experiences by the longer
        list's length), `first_changed` (share), `mean_rating_change` (absolute, of experiences in both lists of a
        user), None where there are none; `experiences` whose share of lists changed most; `most_changed` users.

    Raises:
        NotPublished: One of them is not kept.
    """
    with database.transaction(snapshot=True) as transaction:
        # Before the snapshot: what is attached now stays readable, as dropping waits for this lock's end.
        transaction.define("lock table {parent} in access share mode", {"parent": PARENT})
        rows = kept(transaction)
        about = {side: {key: chosen(rows, one)[key] for key in _ABOUT} for side, one in (("a", a), ("b", b))}
        found = transaction.rows(_COMPARISON, a=a, b=b, experiences=experiences, users=users)[0]
    counts = {key: found.pop(key) for key in ("both", "only_a", "only_b")}
    return {**about, "users": counts, **found}
