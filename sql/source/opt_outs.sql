-- What users do not want to be shown. Edit to fit your tables, or remove this file: then there are no opt-outs.
-- An opt-out holds at moment t when t < until (null: for ever).
select
    user_id,
    experience_id,
    until
from website.do_not_recommend
