"""From ASVs to a rooted tree: MAFFT, mask, FastTree, midpoint root; or the tree that the study has."""
