"""The servers of one machine: Prefect with SQLite or with PostgreSQL and Redis, a local cloud, workers."""
