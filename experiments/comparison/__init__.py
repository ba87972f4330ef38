"""Runs beside each other: variants over seeds, with the uncertainty that their own records allow."""
