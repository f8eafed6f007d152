"""Files, memory, processes and GPUs of the machine."""
