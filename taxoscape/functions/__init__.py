"""Functional profiles of taxa: KO copies per genome, and their shares in a few channels that images can show."""
