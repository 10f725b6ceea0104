"""What a model is judged by, a kind of measure a file."""
