"""The whole cohort: chosen sequences, communities, reads, genomes, and all of it written with its truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import demo, tables
from taxoscape.demo import community, genomes, sequencing, sources
from taxoscape.errors import InputError
from taxoscape.files import write_text, write_tsv

GENOMES = 400  # at most in the simulated functional reference
# Every part draws from a stream of its own, so that more reads do not mean other communities.
TAXA, EFFECTS, METADATA, COMMUNITY, GAPS, READS, KO = range(7)
README = """This cohort is simulated. No person, sample or genome in this folder exists.

{samples} samples of {subjects} subjects with {pairs} read pairs each; {taxa} true sequences (ASVs).
Sequences and lineages come from the package dada2 (ten_16s.100.fa.gz), cut between primers 515F and 806R; read
qualities are those of the real MiSeq reads of the same package (sam1, sam2; all of run 2 one Phred lower), and every
base is wrong with probability 10^(-Q/10). Half a per cent of the pairs of a sample is each of two chimeras.
Ages and diets shift many taxa, a course of antibiotics before the second sample lowers the susceptible ones, which
recover; sex has no effect. Some cells of the metadata are empty on purpose.

truth/asvs.fasta       the true sequences; id = MD5 of the sequence
truth/table.tsv        true read pairs of each sample and ASV, chimeras left out
truth/composition.tsv  the shares that those were drawn from
truth/effects.tsv      what each ASV answers with, natural logarithms: base, age (per 10 years), diets, antibiotic (at
                       its worst), sex (none), and carriage, the probability that a subject has the ASV
truth/taxonomy.tsv     true lineages
training_set.fa.gz     full-length sequences for assignTaxonomy; the {taxa} that the ASVs were cut from are left out,
                       so some genera cannot be found
reference.fna          full-length sequences of the simulated genomes; the {taxa} are left out here, too
reference_ko.tsv.gz    their KO copies, drawn so that relatives share them: no real genome has these
reference_16S.tsv.gz   their copies of the 16S gene, simulated
kegg_map.tsv           pathway -> KOs, simulated: not the content of KEGG. KOs from K90001 on do not exist.
"""


@dataclass(frozen=True)
class Cohort:
    """The simulated study; rows of `shares` are the samples of `sheet`, columns the taxa of `asvs`."""

    sheet: pd.DataFrame  # sample, run, fq1, fq2
    metadata: pd.DataFrame  # complete, see community.draw_metadata
    reference: sources.Reference
    parents: np.ndarray  # [taxa] positions in the reference
    asvs: dict[str, str]  # MD5 -> amplicon
    lineages: list[tuple[str, ...]]  # of the taxa
    effects: community.Effects
    shares: np.ndarray  # [samples, taxa]


def simulate(config: dict, seed: int, extdata: Path) -> Cohort:
    """Draw the cohort of the config section `demo`; raises InputError for too many taxa, or none of anything."""
    for key in ("subjects", "timepoints", "pairs", "taxa"):
        if config[key] < 1:
            raise InputError(f"demo.{key}={config[key]}: at least 1 is needed")
    sheet = demo.sheet(config)
    reference = sources.read_reference(extdata / sources.SEQUENCES)
    parents = sources.choose(reference, config["taxa"], _stream(seed, TAXA))
    amplicons = [reference.amplicons[parent] for parent in parents]
    lineages = [reference.lineages[parent] for parent in parents]
    effects = community.draw_effects(lineages, _stream(seed, EFFECTS))
    metadata = community.draw_metadata(sheet, config["timepoints"], _stream(seed, METADATA))
    shares = community.compositions(effects, metadata, lineages, _stream(seed, COMMUNITY))
    asvs = {tables.sequence_id(sequence): sequence for sequence in amplicons}
    return Cohort(sheet, metadata, reference, parents, asvs, lineages, effects, shares)


def write(cohort: Cohort, pairs: int, seed: int, extdata: Path, paths: Mapping[str, str]) -> None:
    """Write reads (to the paths of the sheet) and the files named in `paths` (see demo.FILES)."""
    counts = write_reads(cohort, pairs, seed, extdata)
    write_tsv(cohort.sheet, paths["samples"])
    write_tsv(community.blank_cells(cohort.metadata, _stream(seed, GAPS)), paths["metadata"])
    write_truth(cohort, counts, paths)
    write_references(cohort, seed, paths)
    size = {"samples": len(cohort.sheet), "subjects": cohort.metadata["subject"].nunique(), "taxa": len(cohort.asvs)}
    write_text(README.format(pairs=pairs, **size), paths["readme"])


def write_reads(cohort: Cohort, pairs: int, seed: int, extdata: Path) -> np.ndarray:
    """Sequence and write every sample; returns the true counts [samples, taxa], chimeras left out."""
    sequences = list(cohort.asvs.values())
    templates = [sequencing.ends(sequence) for sequence in sequences]
    qualities = {
        run: sources.read_qualities(extdata, name) for run, name in zip(demo.RUNS, sources.QUALITIES, strict=True)
    }
    table = np.zeros(cohort.shares.shape, dtype=np.int64)
    for place, row in enumerate(cohort.sheet.itertuples()):
        rng = _stream(seed, READS, place)
        chimeras = list(sequencing.draw_chimeras(sequences, cohort.shares[place], rng))
        false = np.full(len(chimeras), round(pairs * sequencing.CHIMERA_SHARE))
        table[place] = sequencing.draw_counts(cohort.shares[place], pairs - false.sum(), rng)
        sample = sequencing.draw_pairs(
            np.array(templates + [sequencing.ends(sequence) for sequence in chimeras]),
            np.concatenate([table[place], false]).astype(np.int64),
            qualities[row.run],
            sequencing.WORSE[row.run],
            rng,
        )
        for mate, path in enumerate((row.fq1, row.fq2), 1):
            write_text(sequencing.fastq(row.sample, sample, mate), path)
        print(f"{row.sample}: {pairs} pairs, {np.count_nonzero(table[place])} of {len(sequences)} taxa")
    return table


def write_truth(cohort: Cohort, counts: np.ndarray, paths: Mapping[str, str]) -> None:
    """Write what the pipeline should find: sequences, counts, shares, effects, lineages."""
    asvs, samples = list(cohort.asvs), cohort.sheet["sample"].to_numpy()
    tables.write_fasta(cohort.asvs, paths["truth_asvs"])
    for name, values in (("truth_table", counts), ("truth_composition", cohort.shares)):
        write_tsv(pd.DataFrame(values, pd.Index(samples, name="sample"), asvs), paths[name], index=True)
    effects = cohort.effects
    decade = community.standard_age(np.array([10.0]))[0] - community.standard_age(np.array([0.0]))[0]
    columns = {"asv": asvs, "base": effects.base, "age": effects.age * decade}
    columns |= {f"diet_{name}": effects.diet[:, place] for place, name in enumerate(community.DIETS)}
    columns |= {"antibiotic": effects.antibiotic, "sex": 0, "carriage": effects.carriage}
    write_tsv(pd.DataFrame(columns), paths["truth_effects"], float_format="%.6g")
    taxa = [lineage_text(lineage) for lineage in cohort.lineages]
    write_tsv(pd.DataFrame({"Feature ID": asvs, "Taxon": taxa}), paths["truth_taxonomy"])


def lineage_text(lineage: tuple[str, ...]) -> str:
    """Lineage as `k__Bacteria; p__Firmicutes; ...`."""
    return "; ".join(f"{rank[0]}__{name}" for rank, name in zip(sources.RANKS, lineage, strict=True))


def write_references(cohort: Cohort, seed: int, paths: Mapping[str, str]) -> None:
    """Write the training set and the simulated genomes; neither holds the sequences that the ASVs were cut from."""
    reference, rng = cohort.reference, _stream(seed, KO)
    rest = np.setdiff1d(np.arange(len(reference.sequences)), cohort.parents)
    lines = (f">{';'.join(reference.lineages[index])};\n{reference.sequences[index]}\n" for index in rest)
    write_text("".join(lines), paths["training_set"])
    chosen = relatives(reference, rest, cohort.lineages, rng)
    names = pd.Index([f"genome{number:04d}" for number in range(1, len(chosen) + 1)], name="assembly")
    lineages = [reference.lineages[index] for index in chosen]
    pathways, common = genomes.draw_map(rng)
    sequences = (reference.sequences[index] for index in chosen)
    tables.write_fasta(dict(zip(names, sequences, strict=True)), paths["reference"])
    copies = genomes.draw_copies(lineages, common, rng)
    write_tsv(pd.DataFrame(copies, names, common.index), paths["reference_ko"], index=True)
    rrna = pd.DataFrame({"16S_rRNA_Count": genomes.draw_16s(lineages, rng)}, names)
    write_tsv(rrna, paths["reference_16s"], index=True)
    write_text("".join("\t".join([name, *kos]) + "\n" for name, kos in pathways.items()), paths["kegg_map"])


def relatives(
    reference: sources.Reference, rest: np.ndarray, lineages: list[tuple[str, ...]], rng: np.random.Generator
) -> np.ndarray:
    """Positions of at most GENOMES of the `rest`: those that share most ranks with a true taxon, ties at random."""
    known = [{lineage[:rank] for lineage in lineages} for rank in range(1, len(sources.RANKS) + 1)]
    shared = [sum(reference.lineages[index][: len(next(iter(clades)))] in clades for clades in known) for index in rest]
    order = np.lexsort([rng.random(len(rest)), -np.array(shared)])
    return np.sort(rest[order[:GENOMES]])


def _stream(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng((seed, *place))
