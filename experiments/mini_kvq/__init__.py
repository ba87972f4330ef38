"""A small KVQ-like data set made of media that Python packages ship, with full-reference labels."""
