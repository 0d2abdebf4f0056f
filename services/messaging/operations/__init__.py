"""What operators see and decide: the quarantine and the dead letters."""
