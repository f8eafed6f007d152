"""How the tiny models are made: their data, their training, their export and their evaluation."""
