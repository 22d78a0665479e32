"""The only code that touches the world: database, run folders, embedded PostgreSQL."""
