"""Prepare metadata: the study's sheet -> typed design, its encoding, grouped splits, and who is left out."""

from taxoscape import metadata, splits, tables
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    config = dict(snakemake.params.config)
    samples = tables.read_table(snakemake.input.table).ids()
    design, excluded = metadata.build_design(config, samples)
    metadata.check_targets(design, config)
    split = splits.make_splits(design, config, snakemake.params.seed)
    encoding = metadata.fit_encoding(design, (split["split"] == "train").to_numpy(), config)
    quality = metadata.summarize(config, design, split, excluded, encoding)
    print(quality)
    write_tsv(design.reset_index(), snakemake.output.design)
    write_json(encoding, snakemake.output.encoding)
    write_tsv(split, snakemake.output.splits)
    write_tsv(excluded, snakemake.output.excluded)
    write_json(quality, snakemake.output.quality)
