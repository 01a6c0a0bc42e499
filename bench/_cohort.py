"""A simulated study of any size, from its table on: sequences that evolved, communities of taxoscape.demo, metadata.

Relatives share their lineage's sequence but for what each rank has changed in it. Of 15,096 samples 3,459 belong to
people seen twice (687), three times (321) or four to six times (239); smaller studies keep these proportions.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape import tables
from taxoscape.demo import community, genomes
from taxoscape.files import write_text, write_tsv

LENGTH = 253  # nt, as of V4
BASES = np.array(list("ACGT"))
# Clades of each rank, kingdom to species, for 5,000 taxa, and the share of bases that a clade has changed.
CLADES = (1, 12, 24, 60, 150, 600, 5000)
CHANGED = (0.0, 0.10, 0.07, 0.06, 0.05, 0.04, 0.02)
CARRIAGE = -2.8, 1.2  # logit of the share of people that carry a taxon: mean, sd; 50 to 500 taxa in a sample
DEPTH = 20_000, 0.5, 2_500  # reads of a sample: median, sd of the logarithm, least
VISITS = {2: 687, 3: 321, 4: 120, 5: 72, 6: 47}  # times seen: people, of FULL samples
FULL = 15_096
CHUNK = 1000  # samples drawn at a time
REFERENCES = 400  # genomes of the functional reference


def draw_taxa(count: int, rng: np.random.Generator) -> tuple[list[tuple[str, ...]], list[str]]:
    """Lineages and sequences of taxa that evolved down seven ranks; no two sequences are the same."""
    sizes = [max(1, round(size * min(1, count / CLADES[-1]) ** 0.5)) for size in CLADES[:-1]] + [count]
    names, letters = [("",)], rng.integers(0, 4, (1, LENGTH))
    for rank, (size, changed) in enumerate(zip(sizes, CHANGED, strict=True)):
        # Every clade has a child; the others fall where chance wants, more to some than to others.
        weights = rng.lognormal(0, 1, len(names))
        parents = np.concatenate([np.arange(len(names)), rng.choice(len(names), size, p=weights / weights.sum())])[
            :size
        ]
        hit = rng.random((size, LENGTH)) < changed
        letters = (letters[parents] + hit * rng.integers(1, 4, hit.shape)) % 4
        names = [(*names[parent], f"{'kpcofgs'[rank]}{place}") for place, parent in enumerate(parents)]
    sequences = ["".join(BASES[row]) for row in letters]
    unique = dict(zip(sequences, names, strict=True))
    return [name[1:] for name in unique.values()], list(unique)


def draw_people(samples: int, rng: np.random.Generator) -> pd.DataFrame:
    """Metadata, a row per sample: sample_id, subject, day, age, diet, antibiotic, sex, and the day of a course."""
    visits = [times for times, people in VISITS.items() for _ in range(round(people * samples / FULL))]
    visits += [1] * (samples - sum(visits))
    person = np.repeat(np.arange(len(visits)), visits)
    visit = np.concatenate([np.arange(times) for times in visits])
    day = 30 * visit + np.where(visit > 0, rng.integers(-3, 4, samples), 0)
    treated = (rng.random(len(visits)) < community.TREATED) & (np.array(visits) > 1)
    course = np.where(treated[person], 25.0, np.nan)
    low, high = community.AGES
    return pd.DataFrame(
        {
            "sample_id": [f"S{row:05d}" for row in range(samples)],
            "subject": [f"P{one:05d}" for one in person],
            "day": day,
            "age": (low + (high - low) * rng.random(len(visits))[person] + day / 365.25).round(2),
            "diet": np.array(community.DIETS)[rng.integers(0, len(community.DIETS), len(visits))[person]],
            "antibiotic": np.where(np.isnan(course), "none", np.where(day < course, "before", "after")),
            "sex": np.array(["female", "male"])[rng.integers(0, 2, len(visits))[person]],
            "course": course,
        }
    )


def draw_counts(
    people: pd.DataFrame, lineages: list[tuple[str, ...]], rng: np.random.Generator
) -> scipy.sparse.csr_matrix:
    """Reads [samples, taxa] of the communities that taxoscape.demo would give these people."""
    effects = community.draw_effects(lineages, rng)
    carriage = CARRIAGE[0] + CARRIAGE[1] * community.clade_normal(lineages, 1, rng)[:, 0]
    effects = replace(effects, base=2 * effects.base, carriage=1 / (1 + np.exp(-carriage)))
    order = people["subject"].factorize()[0]
    parts, start = [], 0
    while start < len(people):
        end = min(start + CHUNK, len(people))
        while end < len(people) and order[end] == order[end - 1]:  # a person's samples are drawn together
            end += 1
        shares = community.compositions(effects, people.iloc[start:end], lineages, rng)
        median, spread, least = DEPTH
        depth = np.maximum(least, rng.lognormal(np.log(median), spread, len(shares))).astype(int)
        parts.append(scipy.sparse.csr_matrix(rng.multinomial(depth, shares)))
        start = end
    return scipy.sparse.vstack(parts).tocsr()


def write_study(folder: Path, samples: int, taxa: int, seed: int = 0) -> None:
    """Write table, sequences, metadata, training set and functional reference of a simulated study."""
    rng = np.random.default_rng((seed, samples, taxa))
    lineages, sequences = draw_taxa(taxa, np.random.default_rng((seed, taxa)))
    ids = [tables.sequence_id(sequence) for sequence in sequences]
    people = draw_people(samples, rng)
    counts = draw_counts(people, lineages, rng)
    seen = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel())
    folder.mkdir(parents=True, exist_ok=True)
    tables.write_table(counts[:, seen], [ids[place] for place in seen], people["sample_id"], folder / "table.biom")
    tables.write_fasta({ids[place]: sequences[place] for place in seen}, folder / "asvs.fasta")
    write_tsv(community.blank_cells(people, rng), folder / "metadata.tsv")
    write_references(folder, lineages, sequences, rng)


def write_references(folder: Path, lineages: list, sequences: list[str], rng: np.random.Generator) -> None:
    """Write a training set of half of the taxa, and simulated genomes of a few."""
    half = rng.permutation(len(sequences))[: len(sequences) // 2]
    lines = (f">{';'.join(lineages[place][:6])};\n{sequences[place]}\n" for place in half)
    write_text("".join(lines), folder / "training_set.fa.gz")
    chosen = half[:REFERENCES]
    names = pd.Index([f"genome{number:04d}" for number in range(len(chosen))], name="assembly")
    pathways, common = genomes.draw_map(rng)
    tables.write_fasta(dict(zip(names, (sequences[place] for place in chosen), strict=True)), folder / "reference.fna")
    copies = genomes.draw_copies([lineages[place] for place in chosen], common, rng)
    write_tsv(pd.DataFrame(copies, names, common.index), folder / "reference_ko.tsv.gz", index=True)
    write_text("".join("\t".join([name, *kos]) + "\n" for name, kos in pathways.items()), folder / "kegg_map.tsv")
