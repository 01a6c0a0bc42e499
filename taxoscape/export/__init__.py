"""The study in the forms that other programs read: BIOM with everything inside, phyloseq, QIIME 2."""
