"""What can be done with a lock that was granted, and what happened to locks."""
