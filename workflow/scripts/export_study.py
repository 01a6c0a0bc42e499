"""Export the study: table, lineages, sequences, tree and metadata -> BIOM with all inside, phyloseq, QIIME 2."""

from taxoscape.export import phyloseq, qiime2, readme
from taxoscape.export.study import gather, write_biom
from taxoscape.files import write_text
from taxoscape.job import logged

with logged(snakemake.log[0]):
    params, wanted = snakemake.params, dict(snakemake.output.items())
    study = gather(dict(snakemake.input.items()), params.metadata)
    write_biom(study, wanted["biom"])
    phyloseq.write(study, {name.removeprefix("r_"): path for name, path in wanted.items()})
    qiime2.write(study, {name.removeprefix("q2_"): path for name, path in wanted.items()})
    write_text(readme.text(study, params.config["table"]), wanted["readme"])
