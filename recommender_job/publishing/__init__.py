"""Lists into the table that the website reads: checks, publish, status, rollback."""
