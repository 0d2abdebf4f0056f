"""The secrets of hotels and Meta apps: written by operators, read by who uses them."""
