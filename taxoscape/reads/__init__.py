"""Reads checked to their last byte, described, freed of their primers, and where to truncate them."""
