"""What a person asked for, as a request to an engine: model, prompt, conversation, constraints."""
