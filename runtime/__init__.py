"""The command line and everything a run needs around it: layers, run folder, status, safe checkpoints, resume."""
