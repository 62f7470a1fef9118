"""Bounds of log p(x), from below and from above, and what they are made of."""
