"""Hotels with a small system, or a middleware of their own, speak our document: `openapi.yaml`."""
