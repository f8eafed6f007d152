"""Characters: who the model is, from files of our own and of other programs."""
