-- Ratings that are no longer there: deleted, or moved to another user, experience or moment. Edit to fit your tables,
-- or remove this file: then deletions are noticed when everything is read again (`full_read_days`).
--   deleted_since  the watermark
-- Whatever is left under such a key must be returned by ratings.sql in the same night.
select
    user_id,
    experience_id,
    rated_at
from website.deleted_ratings
where deleted_at >= %(deleted_since)s
