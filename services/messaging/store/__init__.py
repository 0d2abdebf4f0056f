"""All SQL of the service, one module for each part; `Store` is all of them together."""
