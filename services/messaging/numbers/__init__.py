"""Whether a number is set up at Meta as it has to be."""
