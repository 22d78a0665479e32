-- What the website reads. The sub-select picks the active publication once per statement, so that only its partition
-- is opened and every row a statement sees comes from the same publication.

create view recommender.recommendations as
select
    r.user_id,
    r.rank,
    r.experience_id,
    r.experience_name,
    r.predicted_rating,
    r.source,
    r.publication_id
from recommender.recommendation as r
where r.publication_id = (select a.publication_id from recommender.active_publication as a);

create view recommender.default_recommendations as
select
    d.rank,
    d.experience_id,
    d.experience_name,
    d.predicted_rating,
    d.source,
    d.publication_id
from recommender.default_recommendation as d
where d.publication_id = (select a.publication_id from recommender.active_publication as a);

create view recommender.recommendation_status as
select
    p.publication_id,
    p.run_id,
    p.model_version,
    p.data_through,
    p.published_at,
    p.data_through + make_interval(secs => p.fresh_hours * 3600) as expires_at,
    now() >= p.data_through + make_interval(secs => p.fresh_hours * 3600) as is_stale,
    p.users,
    p.rmse
from recommender.active_publication as a
inner join recommender.publication as p on a.publication_id = p.publication_id;

-- Roles are groups without a login: grant them to the accounts that the website and the job connect with.
do $$
begin
    if not exists (select from pg_roles where rolname = 'website_reader') then
        create role website_reader nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'recommender_reader') then
        create role recommender_reader nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'recommender_writer') then
        create role recommender_writer nologin;
    end if;
end
$$;

-- website_reader: the three views and nothing else.
grant usage on schema recommender to website_reader;
grant select on recommender.recommendations to website_reader;
grant select on recommender.default_recommendations to website_reader;
grant select on recommender.recommendation_status to website_reader;

-- recommender_reader: the source. Customers with other tables grant it those instead.
grant usage on schema website to recommender_reader;
grant select on website.users, website.experiences, website.ratings to recommender_reader;

-- recommender_writer: the job's own schema. It must own `recommendation` to attach and detach partitions.
grant usage, create on schema recommender to recommender_writer;
grant select, insert, update, delete on all tables in schema recommender to recommender_writer;
grant usage on all sequences in schema recommender to recommender_writer;
alter table recommender.recommendation owner to recommender_writer;
