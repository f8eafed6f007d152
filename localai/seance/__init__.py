"""The seance: questions to a base model, its voice, and the box that the voice comes out of."""
