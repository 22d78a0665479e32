-- Ratings of one run. Edit this query to fit your tables; keep the columns, their types and the two conditions:
--   rated_until    the run's cutoff: nothing rated at or after it is seen
--   updated_since  the watermark: what was inserted or corrected since is read again
--   rated_since    the previous run's cutoff: what was already there but too new for that run
-- On the first night both lower bounds are -infinity. Write a literal per cent sign as %%.
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
