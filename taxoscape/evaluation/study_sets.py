"""The samples of a study as evaluation needs them: held-out, training and generated, with the same features."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from taxoscape import tables
from taxoscape.errors import InputError
from taxoscape.evaluation import generation, generators, utility
from taxoscape.evaluation.generators import Communities
from taxoscape.evaluation.verdict import verdict
from taxoscape.learning import copula, counts
from taxoscape.learning.communities import Study, condition_rows
from taxoscape.previews.contrast import shown_samples
from taxoscape.scoring.bootstrap import interval
from taxoscape.scoring.results import Results

# (rows of the study, random generator) -> communities that a copula draws at their conditions
CopulaAt = Callable[[np.ndarray, np.random.Generator], Communities]


@dataclass(frozen=True)
class Sets:
    """Held-out real samples, training samples and generated ones."""

    real: Communities
    training: Communities
    generated: Communities
    matched: np.ndarray  # row of the study's sample whose conditions each generated one has


def gather(study: Study, table: str | Path, conditions: str | Path) -> Sets:
    """Read generated samples next to the study's; refuses tables of other taxa or no held-out samples.

    A generated sample belongs to the group of the sample whose conditions it has: both have the very same age, say,
    and a classifier that sees one of them in training would know the other.
    """
    every = Communities(study.samples.counts, features(study, np.arange(len(study.names))), study.groups)
    listed = tables.read_tsv(conditions, "generated conditions")
    generated = tables.read_table(table)
    if set(generated.ids("observation")) - set(study.taxa):
        raise InputError(f"{table} holds taxa that the composition has not: generate again")
    if not len(study.rows("test")):
        raise InputError("no sample is held out for the evaluation: raise metadata.test in the config")
    place = {name: row for row, name in enumerate(study.names)}
    rows = np.array([place[name] for name in listed["conditions_of"]])
    table_counts = tables.counts(generated, listed["sample"], study.taxa)
    return Sets(
        real=_with_reads(every.take(study.rows("test"))),
        training=_with_reads(every.take(study.rows("train"))),
        generated=Communities(table_counts, every.features[rows], every.groups[rows]),
        matched=rows,
    )


def pairs(sets: Sets, study: Study, fields: dict, most: int) -> tuple[np.ndarray, list[str], list[str]]:
    """Held-out samples, each with one generated at its conditions: counts [2 n, D], names and conditions.

    They are `most` at most, evenly spaced along the first of the `fields`. Each is followed by the first sample that
    was generated at its conditions; those without one, or without reads, are left out.
    """
    first = {row: place for place, row in reversed(list(enumerate(sets.matched)))}
    rows = [row for row in study.rows("test") if row in first and study.samples.counts[row].any()]
    if not rows:
        raise InputError("no held-out sample has reads in the retained taxa: lower layout.prevalence")
    displayed, labels = shown_samples(study.conditions.iloc[rows], {"targets": {}, "fields": fields}, most)
    chosen = np.array(rows)[displayed]
    generated = sets.generated.counts[[first[row] for row in chosen]]
    both = np.stack([study.samples.counts[chosen], generated], axis=1).reshape(-1, len(study.taxa))
    names = [name for row in chosen for name in (study.names[row], "generated")]
    return both, names, [label for label in labels for _ in range(2)]


def evaluate(
    sets: Sets, study: Study, options: generation.Options, *, kind: str, seed: int, threads: int = 1
) -> Results:
    """Compare the generated samples, a copula and resampling with the held-out ones -> what generation.json holds."""
    depth, copula_at = generators.common_depth(sets.real.counts), fit_copula(study, seed)
    made = {
        "diffusion": generators.subset(sets.generated),
        "copula": draw_copula(study, copula_at),
        "resampling": generators.resample(sets.training),
    }
    most = len(sets.generated.counts)
    measured = generation.compare(sets.real, sets.training, made, depth, options, most=most, seed=seed, threads=threads)
    main = generation.summary(measured, "held-out samples", "diffusion")
    sources = utility.sources(study, sets.generated, sets.matched, copula_at, seed)
    return Results(
        stage="evaluation",
        target="generated communities",
        type="communities",
        unit="",
        comparisons=[main, *utility.measure(sources, study, depth, options, seed)],
        verdict=verdict(main, kind),
        details={
            "n_real": main.n,
            "n_generated": most,
            "n_training": len(sets.training.counts),
            "groups": main.groups,
            "depth": depth,
            "generator": kind,
            "auc_folds_left_out": measured.left_out,
            "nearer_to_training": {name: interval(drawn) for name, drawn in measured.nearer.items()},
        },
    )


def fit_copula(study: Study, seed: int) -> CopulaAt:
    """The copula of the training samples, to be drawn from at the conditions of any rows of the study."""
    rows = study.rows("train")
    rows = rows[study.samples.counts[rows].sum(axis=1) > 0]
    train = study.samples.take(rows)
    train = replace(train, counts=counts.with_rest(train.counts, study.depth))
    seen = train.counts.sum(axis=0) > 0
    fitted = copula.fit(train, study.categories, np.random.default_rng((seed, 6)))

    def draw(at: np.ndarray, rng: np.random.Generator) -> Communities:
        conditions = study.samples.take(at)
        amounts = copula.sample(fitted, conditions.values, conditions.missing, rng)
        drawn = counts.to_counts(amounts, study.depth, seen)[:, :-1]
        return Communities(drawn, features(study, at), study.groups[at])

    return draw


def draw_copula(study: Study, draw: CopulaAt) -> generators.Generator:
    """A fitted copula as a generator at the test samples' conditions."""

    def generate(rng: np.random.Generator, number: int) -> Communities:
        return draw(condition_rows(study, number, int(rng.integers(2**32))), rng)

    return generate


def features(study: Study, rows: np.ndarray) -> np.ndarray:
    """Conditions of these samples as plain numbers [N, K]."""
    samples = study.samples.take(rows)
    return copula.condition_features(samples.values, samples.missing, study.categories)


def at_common_depth(sets: Sets, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of held-out and of generated samples, brought to the same number of reads."""
    depth = generators.common_depth(sets.real.counts)
    real, generated = (generators.thin(part, depth, (seed, 9)) for part in (sets.real, sets.generated))
    return real.counts, generated.counts


def _with_reads(communities: Communities) -> Communities:
    return communities.take(communities.counts.sum(axis=1) > 0)
