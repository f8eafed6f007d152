"""localai: local generative models as shell tools. Importing it costs nothing."""

__version__ = "0.1.0"
