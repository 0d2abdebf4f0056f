"""The plumbing of Postgres and Redis, against real servers."""
