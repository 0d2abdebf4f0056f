"""The hotel's own system: adapters, breaker, saga, against the fake one."""
