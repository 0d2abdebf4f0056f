"""Particular rooms: which are out of order, who sleeps in which, and what was sold beyond them."""
