"""Rows in files: one reader and one writer a format; registry.py lists them, source.py opens what a user names."""
