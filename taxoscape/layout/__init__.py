"""Layout: which taxa the landscape shows and the cell that each of them has to itself."""
