"""The terminal: streams, colour, Markdown and progress. Knows no engine."""
