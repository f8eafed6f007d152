"""Character cards of other programs, and our own YAML."""
