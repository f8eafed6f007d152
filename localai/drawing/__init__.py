"""A wish in words to pictures in files: what `localai sd` and the chat's `/sd` do."""
