"""Pictures to words: which pictures, what is asked of them, where the words go, and renaming."""
