"""The tiny models that ship with the package: their files, and what they can do (README.md)."""
