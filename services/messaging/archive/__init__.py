"""What came in, kept encrypted for some days, and conversations led over with it again."""
