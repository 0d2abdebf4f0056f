"""The 24 hours in which a guest may be written to freely: forms of messages, RPCs."""
