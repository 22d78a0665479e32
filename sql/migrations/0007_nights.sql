-- What people look back at: every night with its figures, and who let a blocked model through.

-- One row for each run that got as far as a report, also a failed or a blocked one; a rerun replaces its row.
create table recommender.night (
    run_id text primary key,
    -- Ratings before this moment were seen.
    cutoff timestamptz not null,
    outcome text not null check (outcome in ('published', 'dry run', 'blocked', 'failed')),
    -- Why it was blocked or failed, a line each; empty otherwise.
    reasons text[] not null,
    -- RMSE on the holdout and the bound it was held to; null where the night did not get so far.
    rmse double precision,
    max_rmse double precision,
    -- What it published or, on a dry run, built; the publication may have been pruned since.
    publication_id bigint,
    -- Where the run report lies: a path or URL; null where it could not be written.
    report text,
    -- What the report's charts of the last nights need.
    figures jsonb not null,
    reported_at timestamptz not null default now()
);
create index night_cutoff on recommender.night (cutoff desc);

-- Who let a model that the gate had blocked be published, when, and why; null where nobody had to.
alter table recommender.publication
add column override_by text,
add column override_at timestamptz,
add column override_reason text;

grant select, insert, update, delete on recommender.night to recommender_writer;
