"""Pure conversions: text for terminals, units, plain data, YAML with line numbers."""
