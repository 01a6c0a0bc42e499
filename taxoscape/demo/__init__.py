"""The simulated cohort: which files it has, known from the config alone before any of them exists.

The other modules of this package make them: `sources` (what dada2 brings along), `community` (who lives where),
`functions` (simulated genomes), `sequencing` (reads with errors) and `cohort` (all of it, written to disk).
"""

import pandas as pd

FOLDER = "resources/demo"
SAMPLES = f"{FOLDER}/samples.tsv"
RUNS = ("run1", "run2")
# Everything beside the reads: name of the output -> file in FOLDER.
FILES = {
    "samples": "samples.tsv",
    "metadata": "metadata.tsv",
    "truth_asvs": "truth/asvs.fasta",
    "truth_table": "truth/table.tsv",
    "truth_composition": "truth/composition.tsv",
    "truth_effects": "truth/effects.tsv",
    "truth_taxonomy": "truth/taxonomy.tsv",
    "training_set": "training_set.fa.gz",
    "reference": "reference.fna",
    "reference_ko": "reference_ko.tsv.gz",
    "reference_16s": "reference_16S.tsv.gz",
    "kegg_map": "kegg_map.tsv",
    "readme": "README.txt",
}


def sheet(config: dict) -> pd.DataFrame:
    """Sample sheet (sample, run, fq1, fq2) of the cohort; `config` is the section `demo`.

    Samples are named by subject and time point (S01T1); subjects alternate between the two sequencing runs, so that
    no run holds one end of the cohort.
    """
    rows = [
        (f"S{subject:02d}T{timepoint}", RUNS[(subject - 1) % len(RUNS)])
        for subject in range(1, config["subjects"] + 1)
        for timepoint in range(1, config["timepoints"] + 1)
    ]
    frame = pd.DataFrame(rows, columns=["sample", "run"])
    for mate in (1, 2):
        frame[f"fq{mate}"] = [f"{FOLDER}/reads/{sample}_R{mate}.fastq.gz" for sample in frame["sample"]]
    return frame
