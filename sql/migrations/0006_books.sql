-- The job's books on what came in, and what it must remember about what went out.

-- When the source was last read as a whole in the chain of runs that a snapshot builds upon, and how many rows the
-- source held. Null for runs from before these columns.
alter table recommender.extraction
add column full_read_at timestamptz,
add column source_rows bigint;

-- The user a refused row speaks of, as it was written; null where that cannot be told. Erasing a user needs it.
alter table recommender.quarantine add column user_text text;
create index quarantine_user_text on recommender.quarantine (user_text);

-- How an imported file was read, so that its refused lines can be read again.
create table recommender.imported_file (
    origin text primary key,
    header text not null,
    reading jsonb not null,
    imported_at timestamptz not null default now()
);

-- The figures of each night's ratings, one row for each run whose ratings were accepted: what the next are held to.
create table recommender.profile (
    run_id text primary key,
    cutoff timestamptz not null,
    accepted_at timestamptz not null default now(),
    figures jsonb not null
);

-- Users who were erased: what is read from the source later leaves them out. The receipt holds counts only.
create table recommender.erasure (
    user_id bigint primary key,
    erased_at timestamptz not null default now(),
    receipt jsonb not null
);

-- Figures of the output checks; null for publications from before these columns.
alter table recommender.publication
add column distinct_lists bigint,
add column overlap double precision;

alter table recommender.default_recommendation add column reason text not null default 'popular';

create or replace view recommender.recommendations as
select
    r.user_id,
    r.rank,
    r.experience_id,
    r.experience_name,
    r.predicted_rating,
    r.source,
    r.publication_id,
    'predicted from the ratings of this user and of others'::text as reason
from recommender.recommendation as r
where r.publication_id = (select a.publication_id from recommender.active_publication as a);

create or replace view recommender.default_recommendations as
select
    d.rank,
    d.experience_id,
    d.experience_name,
    d.predicted_rating,
    d.source,
    d.publication_id,
    d.reason
from recommender.default_recommendation as d
where d.publication_id = (select a.publication_id from recommender.active_publication as a);

grant select, insert, update, delete on
recommender.imported_file, recommender.profile, recommender.erasure to recommender_writer;
