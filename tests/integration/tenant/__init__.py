"""The tenant service with a real Postgres."""
