"""Questions that finished runs answer, one module each."""
