"""GGUF files: their headers, read and checked without the library."""
