"""An unlabelled clip and six encodings of it, from hardly to heavily compressed: a ladder whose order is known."""
