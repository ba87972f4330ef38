"""A small KwaiSR-like data set: pairs degraded from photographs that Python packages ship, and real frames."""
