"""Ratings on their way in: import, extract, clean, split."""
