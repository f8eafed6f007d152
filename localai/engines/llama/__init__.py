"""llama.cpp behind `engines.base`: many sequences in one context, through its low-level functions."""
