"""Many prompts to many answers: rows in, answers out in the same order, none twice, none lost."""
