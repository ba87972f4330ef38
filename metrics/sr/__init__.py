"""Measures of super-resolved pictures: against the original, without one, and the challenge's sum of both."""
