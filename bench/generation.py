"""Communities that `diffusion` generates, told from held-out ones by a random forest, beside what anybody could do.

Two populations: a simulated cohort (2,000 training samples, 200 taxa; conditions age, diet, sex), and people of the
global gut study where TAXOSCAPE_DATA has it (the 200 most prevalent OTUs; conditions age, country, sex). The settings
are the defaults of the config with DPM-Solver++ at 20 steps. Takes about ten minutes.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import torch
import yaml

from taxoscape import tables
from taxoscape.demo import community
from taxoscape.diffusion import models
from taxoscape.evaluation import copying, two_sample
from taxoscape.learning import copula
from taxoscape.learning.communities import Samples
from taxoscape.rarefy import draw

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
DEPTH, TAXA, PEOPLE, TREES = 5000, 200, 2000, 100
SEEDS = 3  # trainings; one is judged where forests of thousands take minutes
STOPPED = 7  # one in so many training samples stops the training


@dataclass(frozen=True)
class Population:
    """Training samples, held-out ones of other people, and the number of categories of each condition."""

    name: str
    training: Samples
    held_out: Samples
    categories: list[int]
    numbers: dict[int, int]  # of samples a side -> of trainings that are judged with so many


def rows() -> list[dict]:
    """A row per generator and number of samples: median AUC of several trainings beside that of resampling."""
    torch.set_num_threads(1)
    data = Path(os.environ.get("TAXOSCAPE_DATA", "../shared/data")) / "globalgut_yatsunenko"
    populations = [simulated(), *([global_gut(data)] if data.is_dir() else [])]
    return [row for population in populations for row in measured(population)]


def measured(population: Population) -> list[dict]:
    """Rows of one population."""
    training, number = population.training, len(population.training.counts)
    split = np.random.default_rng(0).permutation(number)
    stop, learn = training.take(split[: number // STOPPED]), training.take(split[number // STOPPED :])
    held_out = population.held_out
    made = {"resampling": [resampled(training, seed, len(held_out.counts)) for seed in range(SEEDS)]}
    notes = {"resampling": "training samples with replacement"}
    if population.name == "simulated":
        made["fresh draw"], notes["fresh draw"] = [people(9 + seed) for seed in range(SEEDS)], "other people"
    for model in ("copula", "mlp"):
        made[model], seconds = [], []
        for seed in range(SEEDS):
            fitted, _ = models.fit(learn, stop, DEPTH, population.categories, settings(model), seed)
            start = process_time()
            counts = models.generate(fitted, held_out.values, held_out.missing, DEPTH, seed)
            made[model].append(Samples(counts, held_out.values, held_out.missing))
            seconds.append((process_time() - start) / len(held_out.counts))
        notes[model] = f"{1000 * np.median(seconds):.2f} CPU-ms a community"
    found = []
    for n, judges in population.numbers.items():
        judged = {name: [judge(population, part, n) for part in parts[:judges]] for name, parts in made.items()}
        medians = {name: np.median(values, axis=0) for name, values in judged.items()}
        for name, (auc, given, copied) in medians.items():
            found.append(
                {
                    "name": f"{population.name}: {name}, {n} samples told from as many held-out ones",
                    "ours": auc,
                    "other": medians["resampling"][0],
                    "ratio": auc / medians["resampling"][0],
                    "unit": "AUC",
                    "note": f"given the conditions {given:.2f}; {copied:.0%} nearer to training; {notes[name]}",
                }
            )
    return found


def settings(model: str) -> models.Options:
    """The defaults of the config, for one model, sampled in 20 steps."""
    section = yaml.safe_load(CONFIG.read_text())["diffusion"]
    section.pop("conditions")
    return models.Options(**section | {"model": model, "sampler": "dpm", "sample_steps": 20})


def judge(population: Population, made: Samples, number: int) -> tuple[float, float, float]:
    """AUC against held-out samples, the same given the conditions, and the share nearer to training samples.

    Of `number` samples a side. What was generated at the conditions of a held-out sample shares its fold.
    """
    sides = [samples.take(np.arange(number)) for samples in (population.held_out, made)]
    groups, ones = np.arange(number).astype(str), np.ones((1, number))
    plain = [np.log1p(side.counts) for side in sides]
    conditions = [copula.condition_features(side.values, side.missing, population.categories) for side in sides]
    given = [np.hstack(both) for both in zip(plain, conditions, strict=True)]
    found = []
    for features in (plain, given):
        scores = two_sample.forest_scores(*features, groups, groups, trees=TREES, seed=0, threads=2)
        found.append(two_sample.weighted_auc(scores, ones, ones)[0])
    nearer = copying.nearer_to_training(
        sides[1].counts, population.training.counts, sides[0].counts, np.random.default_rng(0)
    )
    return found[0], found[1], nearer.mean()


def resampled(training: Samples, seed: int, number: int) -> Samples:
    """Training samples, with replacement."""
    return training.take(np.random.default_rng(seed).integers(0, len(training.counts), number))


def simulated() -> Population:
    """The simulated cohort: its people are drawn by the demo's rules."""
    return Population("simulated", people(1), people(2), [0, 3, 2], {500: SEEDS, PEOPLE: 1})


def people(seed: int) -> Samples:
    """PEOPLE who live with the same taxa; conditions are standard age, diet, sex."""
    branch = np.random.default_rng(0).integers(0, 3, size=(TAXA, 6))
    lineages = [tuple(f"{rank}{name}" for rank, name in enumerate(path)) for path in branch]
    effects = community.draw_effects(lineages, np.random.default_rng(0))
    rng, sheet = np.random.default_rng((seed, 1)), pd.DataFrame({"sample": [f"S{n}T1" for n in range(PEOPLE)]})
    known = community.draw_metadata(sheet, 1, rng)
    shares = community.compositions(effects, known, lineages, rng)
    values = np.stack(
        [
            community.standard_age(known["age"].to_numpy()),
            known["diet"].map(community.DIETS.index),
            known["sex"] == "male",
        ],
        axis=1,
    ).astype(float)
    counts = np.stack([rng.multinomial(DEPTH, share) for share in shares])
    return Samples(counts, values, np.zeros(values.shape, bool))


def global_gut(folder: Path) -> Population:
    """One sample of each person with age, country and sex known, thinned to DEPTH reads."""
    table = tables.read_table(folder / "table.biom")
    sheet = tables.read_tsv(folder / "metadata.tsv", "metadata").set_index("sample_id").reindex(table.ids())
    age = pd.to_numeric(sheet["AGE"], errors="coerce").to_numpy()
    sexes, countries = ["female", "male"], sorted(set(sheet["COUNTRY"].dropna()))
    counts = table.matrix_data.T.tocsr()
    known = ~np.isnan(age) & sheet["SEX"].isin(sexes).to_numpy() & sheet["COUNTRY"].isin(countries).to_numpy()
    known &= (np.asarray(counts.sum(axis=1)).ravel() >= DEPTH) & ~sheet["HOST_SUBJECT_ID"].duplicated().to_numpy()
    rows = np.random.default_rng(0).permutation(np.flatnonzero(known))
    thinned = np.array([draw(counts[row].toarray().ravel().astype(np.int64), DEPTH, (0, row)) for row in rows])
    first = len(rows) * 5 // 8
    years = np.log1p(age[rows])
    values = np.stack(
        [
            (years - years[:first].mean()) / years[:first].std(),
            sheet["COUNTRY"].iloc[rows].map(countries.index),
            sheet["SEX"].iloc[rows].map(sexes.index),
        ],
        axis=1,
    ).astype(float)
    common = np.argsort(-(thinned[:first] > 0).mean(axis=0), kind="stable")[:TAXA]
    every = Samples(thinned[:, common], values, np.zeros(values.shape, bool))
    parts = every.take(np.arange(first)), every.take(np.arange(first, len(rows)))
    return Population("global gut", *parts, [0, len(countries), 2], {len(rows) - first: SEEDS})
