"""Features that other programs made, brought into feature banks."""
