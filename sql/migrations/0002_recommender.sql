-- What the job keeps: watermarks, refused rows, publications, and which publication is active.
-- The schema itself is made by the migration runner, which keeps its version table in it.

-- One row for each run whose snapshot is complete: the watermark. The next run reads what is new since `read_through`.
create table recommender.extraction (
    run_id text primary key,
    cutoff timestamptz not null,
    read_through timestamptz not null,
    base_run_id text,
    snapshot_url text not null,
    extracted bigint not null,
    snapshot bigint not null
);

-- Rows that were refused, with their reason. Nothing is thrown away silently.
create table recommender.quarantine (
    quarantine_id bigint generated always as identity primary key,
    -- The run that refused the row, or the import's file.
    origin text not null,
    -- Line of the file, or null for rows from a table.
    line bigint,
    column_name text not null,
    reason text not null,
    content text not null,
    refused_at timestamptz not null default now()
);
create index quarantine_origin on recommender.quarantine (origin);

-- One row for each complete set of lists.
create table recommender.publication (
    publication_id bigint generated always as identity primary key,
    run_id text not null,
    model_version text not null,
    -- The run's cutoff: ratings before this moment are in the lists.
    data_through timestamptz not null,
    created_at timestamptz not null default now(),
    -- When it first became active; null for one that was built and checked but never switched to.
    published_at timestamptz,
    fresh_hours double precision not null,
    users bigint not null,
    rows bigint not null,
    top_n integer not null,
    rmse double precision not null
);
create index publication_run_id on recommender.publication (run_id);

-- One row: which publication the website reads.
create table recommender.active_publication (
    only_row boolean primary key default true check (only_row),
    publication_id bigint not null references recommender.publication,
    switched_at timestamptz not null
);

-- The lists. One partition for each publication, loaded and indexed on (user_id, rank) before it is attached;
-- the parent has no index of its own because the partition key would only pad every entry.
create table recommender.recommendation (
    publication_id bigint not null,
    user_id bigint not null,
    rank smallint not null,
    experience_id bigint not null,
    experience_name text not null,
    predicted_rating real not null,
    source text not null
) partition by list (publication_id);

create table recommender.default_recommendation (
    publication_id bigint not null references recommender.publication on delete cascade,
    rank smallint not null,
    experience_id bigint not null,
    experience_name text not null,
    predicted_rating real not null,
    source text not null,
    primary key (publication_id, rank)
);
