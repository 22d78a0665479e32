-- Ratings of one run. Edit this query to fit your tables; keep the columns, their types and the conditions:
--   rated_until    the run's cutoff: nothing rated at or after it is seen
--   updated_since  the watermark: what was inserted or corrected since is read again
--   rated_since    the previous run's cutoff: what was already there but too new for that run
-- On a full read both lower bounds are -infinity. Write a literal per cent sign as %%.
select
    user_id,
    experience_id,
    rating,
    rated_at,
    updated_at
from website.ratings
where
    rated_at < %(rated_until)s
    and (updated_at >= %(updated_since)s or rated_at >= %(rated_since)s)

union all

-- What is left under the keys that deletions.sql returns. What stands above is left out: the job counts the rows.
select
    r.user_id,
    r.experience_id,
    r.rating,
    r.rated_at,
    r.updated_at
from website.deleted_ratings as d
inner join website.ratings as r
    on d.user_id = r.user_id and d.experience_id = r.experience_id and d.rated_at = r.rated_at
where
    d.deleted_at >= %(updated_since)s
    and r.rated_at < %(rated_until)s
    and r.updated_at < %(updated_since)s
    and r.rated_at < %(rated_since)s
