"""What is written and read by more than one floor: schemas, atomic files, hashes, provenance, user errors."""
