"""Data sets as LightningDataModules, and below them the media readers."""
