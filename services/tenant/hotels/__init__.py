"""Hotels as operators see and change them: straight from the database, one change at a time."""
