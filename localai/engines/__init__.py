"""Engines: what loads a model and answers requests, each in a worker process of its own."""
