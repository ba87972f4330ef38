"""Commands over data or many runs: python -m experiments COMMAND."""
