"""QloApps 1.6 and 1.7, by its web service: what it documents, and what it does."""
