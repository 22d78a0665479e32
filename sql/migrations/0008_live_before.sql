-- Where going back leads to.

-- What was live before a publication's run was first shown; null where nothing was. It may have been pruned since.
alter table recommender.publication add column live_before bigint;

-- What is shown already: until now, going back led to the newest one below it that was ever shown.
update recommender.publication as p
set
    live_before = (
        select max(earlier.publication_id)
        from recommender.publication as earlier
        where earlier.publication_id < p.publication_id and earlier.published_at is not null
    )
where p.published_at is not null;
