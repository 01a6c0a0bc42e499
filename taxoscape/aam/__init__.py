"""Attention All Microbes: sequences -> ASV embeddings -> sample embeddings -> host variables.

A nucleotide encoder reads every distinct ASV of a batch once, a permutation-invariant encoder reads each sample as a
set of (ASV embedding, log relative abundance). Pretraining restores masked nucleotides and predicts UniFrac between
the samples of a batch; fine-tuning predicts a host variable. Sethi et al., Attention All Microbes (source 001).
"""
