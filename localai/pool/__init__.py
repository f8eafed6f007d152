"""Engines in processes of their own: messages, the client's side, and the worker."""
