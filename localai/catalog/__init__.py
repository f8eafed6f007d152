"""Model names to files, and what a model file's header says about it."""
