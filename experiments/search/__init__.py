"""Hyperparameter search: W&B's sweep file, served by Optuna."""
