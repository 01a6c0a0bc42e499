"""What the files of the export are, and how to read each."""

from taxoscape.export.study import OWN, Study

TEXT = """\
The study for other programs: {features:,} ASVs x {samples:,} samples, {reads:,} reads, {counts}.
Sample columns {own} say how taxoscape used each sample (empty: not at all); the others are the study's.

table.biom   BIOM 2.1: counts, lineages (taxonomy) and sample metadata in one file.
             Python: biom.load_table("table.biom")
             R: library(rhdf5); phyloseq::import_biom("table.biom")

phyloseq/    R: source("phyloseq/load_phyloseq.R") builds ps with counts, ranks, sample data, tree and sequences.

qiime2/      qiime tools import --type 'FeatureTable[Frequency]' --input-format BIOMV210Format \\
               --input-path qiime2/feature-table.biom --output-path table.qza
             qiime tools import --type 'FeatureData[Taxonomy]' --input-format TSVTaxonomyFormat \\
               --input-path qiime2/taxonomy.tsv --output-path taxonomy.qza
             qiime tools import --type 'FeatureData[Sequence]' \\
               --input-path qiime2/rep-seqs.fasta --output-path rep-seqs.qza
             qiime tools import --type 'Phylogeny[Rooted]' --input-path qiime2/tree.nwk --output-path rooted-tree.qza
             qiime2/sample-metadata.tsv is read as it is (--m-sample-metadata-file).
"""
COUNTS = {"filtered": "all reads that the filter left", "rarefied": "rarefied to the same depth"}


def text(study: Study, counts: str) -> str:
    """The README of results/export; `counts` is the setting export.table."""
    features, samples = study.table.shape
    reads = int(study.table.sum())
    own = " and ".join(OWN.values())
    return TEXT.format(features=features, samples=samples, reads=reads, counts=COUNTS[counts], own=own)
