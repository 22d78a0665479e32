-- Every user that ratings may name. Edit to fit your tables; keep the columns. Inactive users get no list.
select
    user_id,
    is_active
from website.users
