"""Diversity within and between samples, and what of it goes with the metadata."""
