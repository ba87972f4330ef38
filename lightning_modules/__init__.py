"""Training rules, one LightningModule a file."""
