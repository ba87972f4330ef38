"""Losses: a pure function each, with a thin module around it."""
