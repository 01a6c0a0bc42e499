"""Embedding: the tree's tips as points of the Poincare ball whose distances are the path lengths, up to one scale."""
