"""What one-step super-resolution costs in memory and multiply-accumulates, told from shapes alone."""
