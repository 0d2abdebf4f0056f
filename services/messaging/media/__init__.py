"""Files that guests send, and what is kept of speech. Nobody speaks or listens yet."""
