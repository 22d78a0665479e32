-- The sample source schema: what a website might keep. The job only reads it, through the queries in sql/source;
-- `recommender-job import-ratings` fills it from a file. A customer with tables of their own never needs it.

create schema website;

create table website.users (
    user_id bigint primary key,
    is_active boolean not null default true
);

create table website.experiences (
    experience_id bigint generated always as identity primary key,
    -- The most frequent spelling, for people.
    name text not null,
    -- The canonical spelling, for comparison: trimmed, single blanks, Unicode NFC, case folded.
    name_key text not null unique,
    is_active boolean not null default true,
    -- Half-open: available_from <= t < available_until; null means unbounded.
    available_from timestamptz,
    available_until timestamptz
);

-- How often each spelling of a name was seen.
create table website.experience_spellings (
    experience_id bigint not null references website.experiences,
    spelling text not null,
    seen bigint not null,
    primary key (experience_id, spelling)
);

-- One row for each rating event. A user may rate an experience again, even within the same minute: `occurrence`
-- counts the events of one moment, so that loading the same file again changes nothing.
create table website.ratings (
    user_id bigint not null references website.users,
    experience_id bigint not null references website.experiences,
    rated_at timestamptz not null,
    occurrence smallint not null default 1,
    rating real not null,
    updated_at timestamptz not null default now(),
    primary key (user_id, experience_id, rated_at, occurrence)
);

-- What the nightly extract looks for.
create index ratings_updated_at on website.ratings (updated_at);
create index ratings_rated_at on website.ratings (rated_at);
