"""llama.cpp behind `engines.base`: many sequences in one context, by its low-level functions."""
