"""Guests by the hundred, over ten hotels: `make load`."""
