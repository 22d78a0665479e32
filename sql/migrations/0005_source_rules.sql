-- What else a website may tell the job: ratings that are gone, opt-outs, and how experiences may be offered.

-- The keys of deleted ratings, so that the nightly extract need not read everything to notice.
create table website.deleted_ratings (
    user_id bigint not null,
    experience_id bigint not null,
    rated_at timestamptz not null,
    deleted_at timestamptz not null,
    primary key (user_id, experience_id, rated_at)
);
create index deleted_ratings_deleted_at on website.deleted_ratings (deleted_at);

-- Runs with its owner's rights: whoever may delete a rating needs none on `deleted_ratings`.
create function website.remember_deleted_rating() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into website.deleted_ratings (user_id, experience_id, rated_at, deleted_at)
    values (old.user_id, old.experience_id, old.rated_at, clock_timestamp())
    on conflict (user_id, experience_id, rated_at) do update set deleted_at = excluded.deleted_at;
    return null;
end
$$;

create trigger rating_deleted after delete on website.ratings
for each row execute function website.remember_deleted_rating();

-- A rating that moves to another user, experience or moment is gone where it was.
create trigger rating_moved after update on website.ratings
for each row
when ((old.user_id, old.experience_id, old.rated_at) is distinct from (new.user_id, new.experience_id, new.rated_at))
execute function website.remember_deleted_rating();

-- What a user does not want to be shown; `until` null means for ever.
create table website.do_not_recommend (
    user_id bigint not null,
    experience_id bigint not null,
    until timestamptz,
    primary key (user_id, experience_id)
);

-- How an experience may be offered. No row, or a null: no rule.
create table website.experience_rules (
    experience_id bigint primary key,
    -- At most `rules.max_per_group` experiences of a group stand in one list.
    group_name text,
    -- Pinned experiences stand at the front of every list, the lowest number first.
    pinned_rank smallint check (pinned_rank > 0),
    is_excluded boolean not null default false
);

grant select on website.deleted_ratings, website.do_not_recommend, website.experience_rules to recommender_reader;
