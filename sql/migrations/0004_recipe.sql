-- The recipe that the published model was trained by: the champion is trained again by it every night, so that "not
-- worse than what is live" is computed rather than remembered. Null for publications from before this column.
alter table recommender.publication add column recipe text;
