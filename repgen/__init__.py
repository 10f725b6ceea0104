"""repgen: learned representations and generative models, one idea a file."""

__version__ = "0.1.0"
