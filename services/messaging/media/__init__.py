"""What is kept of media. Nobody speaks or listens yet: the cache is there for those who will."""
