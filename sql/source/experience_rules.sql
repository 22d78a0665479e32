-- How experiences may be offered, one row for each that has a rule. Edit to fit your tables, or remove this file.
--   group_name   at most `rules.max_per_group` experiences of a group stand in one list; null: in no group
--   pinned_rank  pinned experiences stand at the front of every list, the lowest number first; null: not pinned
--   is_excluded  never recommended, though it may be active
select
    experience_id,
    group_name,
    pinned_rank,
    is_excluded
from website.experience_rules
