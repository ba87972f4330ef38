"""Views: each turns frames of one video into one tensor of a promised shape."""
