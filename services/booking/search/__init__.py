"""What can be had for a stay, and what can be had instead."""
