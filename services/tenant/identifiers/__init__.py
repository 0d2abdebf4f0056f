"""What hotels are found by: what it may be, whose it is, and how that is changed."""
