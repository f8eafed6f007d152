"""A chat that people stay in: its turns, its sessions, its slash commands, its screen."""
