"""Plain torch networks; nothing of Lightning in here."""
