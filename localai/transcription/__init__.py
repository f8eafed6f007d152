"""Writing down speech: a sound to its segments, kept in a journal as they come; no console."""
