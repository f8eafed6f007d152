"""Picture models: what their files hold, which family they are of, and the bundles with a name."""
