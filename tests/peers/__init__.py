"""Real peers of the protocols the product speaks."""
