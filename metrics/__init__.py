"""Challenge scores, statistics and efficiency counts."""
