"""Previews: pictures of the landscape that a reader understands without the code."""
