"""Networks of super-resolution and what goes around them."""
