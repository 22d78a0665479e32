-- Every experience that ratings may name, also those no longer offered. Edit to fit your tables; keep the columns.
-- An experience is recommended at moment t when is_active and available_from <= t < available_until (null: unbounded).
select
    experience_id,
    name,
    is_active,
    available_from,
    available_until
from website.experiences
