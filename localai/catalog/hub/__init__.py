"""The model hub: repositories, downloads, and the cache that its own tools share."""
