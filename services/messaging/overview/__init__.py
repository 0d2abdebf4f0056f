"""What a hotel sees of its conversations, all of them at a glance."""
