"""What of a model goes where: GPU layers, context and cache type that fit the free memory."""
