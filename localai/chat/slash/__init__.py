"""Slash commands of the chat: the table, and what each does."""
