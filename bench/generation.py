"""Communities that `diffusion` generates, compared with held-out ones, next to those of trivial baselines.

Two populations: a simulated cohort (2,000 training samples, 200 taxa; conditions age, diet, sex), and subjects of the
global gut study where TAXOSCAPE_DATA has it (the 200 most prevalent OTUs; conditions age, country, sex). The settings
are the defaults of the config with DPM-Solver++ at 20 steps; figures are those of `taxoscape.evaluation`, medians of
three trainings. `python -m bench generation=global_gut` measures one population alone (generation=simulated_500,
generation=simulated_2000). All take about ten minutes.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import torch
import yaml

from taxoscape import tables
from taxoscape.demo import community
from taxoscape.diffusion import models
from taxoscape.errors import InputError
from taxoscape.evaluation import generation
from taxoscape.evaluation.generators import Communities, common_depth, resample, subset
from taxoscape.learning.communities import Samples
from taxoscape.learning.copula import condition_features
from taxoscape.rarefy import draw

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
DATA = Path(os.environ.get("TAXOSCAPE_DATA", "../shared/data")) / "globalgut_yatsunenko"
DEPTH, TAXA, SUBJECTS, TREES, STEPS = 5000, 200, 2000, 100, 20
FEW, SEEDS = 500, 3  # samples a side that every training is judged by; more than that, one training alone
STOPPED = 7  # one in so many training samples stops the training
SETTINGS = {}  # other than the defaults
MEASURES = {generation.AUC: "AUC", generation.AUC_GIVEN: "AUC given the conditions", "copying": "copying"}
NOTES = {
    "other_real": "training samples, each once: the floor",
    "resampling": "training samples with replacement, their reads drawn anew",
    "fresh draw": "other subjects of the same population",
}
SMOKE = {
    "DATA": Path("not available"),
    "DEPTH": 500,
    "TAXA": 12,
    "SUBJECTS": 60,
    "FEW": 30,
    "SEEDS": 1,
    "TREES": 5,
    "STEPS": 3,
    "SETTINGS": {"steps": 5, "width": 16, "blocks": 1},
}


@dataclass(frozen=True)
class Population:
    """Training samples, held-out ones of other subjects, numbers of categories of the conditions, and how to judge."""

    training: Samples
    held_out: Samples
    categories: list[int]
    number: int  # samples a side, at most: those with too few reads are left out
    seeds: int  # trainings
    fresh: bool  # whether other subjects can be simulated


def rows(only: str = "") -> list[dict]:
    """Rows of every population, or of one: AUC, AUC given the conditions and copying of each generator."""
    torch.set_num_threads(1)
    populations = {
        "simulated_500": partial(simulated, FEW, SEEDS),
        "simulated_2000": partial(simulated, SUBJECTS, 1),
        **({"global_gut": partial(global_gut, DATA)} if DATA.is_dir() else {}),
    }
    if only and only not in populations:
        raise InputError(f"generation={only} is not a population: use one of {', '.join(populations)}")
    return [row for name, make in populations.items() if only in ("", name) for row in measured(name, make())]


def measured(name: str, population: Population) -> list[dict]:
    """Medians of all trainings; the other side is the floor, of copying the copier that resampling is."""
    runs = [one_training(population, seed) for seed in range(population.seeds)]
    draws = [found.draws for found, _ in runs]
    medians = {
        model: {key: np.median([found[model][key] for found in draws]) for key in MEASURES if key in draws[0][model]}
        for model in draws[0]
    }
    notes = NOTES | {
        model: f"{np.median([seconds[model] for _, seconds in runs]) * 1000:.2f} CPU-ms a community"
        for model in runs[0][1]
    }
    number, found = min(found.n for found, _ in runs), []
    for model, figures in medians.items():
        for key, value in figures.items():
            compared_with = "resampling" if key == "copying" else generation.FLOOR
            found.append(
                {
                    "name": f"{name}, {number} samples a side: {model}, {MEASURES[key]}",
                    "ours": value,
                    "other": medians[compared_with][key],
                    "ratio": value / medians[compared_with][key],
                    "unit": MEASURES[key],
                    "note": f"other: {compared_with}; {notes[model]}",
                }
            )
    return found


def one_training(population: Population, seed: int) -> tuple[generation.Measured, dict[str, float]]:
    """Figures of all generators, and CPU seconds that a community takes of those that are fitted."""
    held_out = described(population, population.held_out, "h")
    training = described(population, population.training, "t")
    made = {"resampling": resample(training)}
    if population.fresh:
        made["fresh draw"] = subset(described(population, cohort(9 + seed), "f"))
    seconds = {}
    for model in ("copula", "mlp"):
        counts, seconds[model] = generated(population, model, seed)
        made[model] = subset(Communities(counts, held_out.features, held_out.groups))
    options = generation.Options(trees=TREES, bootstraps=0, repeats=1)
    depth, most = common_depth(held_out.counts), population.number
    return generation.compare(held_out, training, made, depth, options, most=most, seed=seed, threads=2), seconds


def generated(population: Population, model: str, seed: int) -> tuple[np.ndarray, float]:
    """Counts of communities at the held-out conditions, and the CPU seconds that each took."""
    training, held_out = population.training, population.held_out
    split = np.random.default_rng(0).permutation(len(training.counts))
    stop, learn = (training.take(rows) for rows in np.split(split, [len(split) // STOPPED]))
    fitted, _ = models.fit(learn, stop, DEPTH, population.categories, settings(model), seed)
    start = process_time()
    counts = models.generate(fitted, held_out.values, held_out.missing, seed)
    return counts, (process_time() - start) / len(counts)


def settings(model: str) -> models.Options:
    """The defaults of the config, for one model, sampled in STEPS steps."""
    section = yaml.safe_load(CONFIG.read_text())["diffusion"]
    section.pop("conditions")
    return models.Options(**section | {"model": model, "sampler": "dpm", "sample_steps": STEPS} | SETTINGS)


def described(population: Population, samples: Samples, group: str) -> Communities:
    """Samples with their conditions as features, each a group of its own."""
    features = condition_features(samples.values, samples.missing, population.categories)
    return Communities(samples.counts, features, np.array([f"{group}{row}" for row in range(len(samples.counts))]))


def simulated(number: int, seeds: int) -> Population:
    """The simulated cohort: its subjects are drawn by the demo's rules."""
    return Population(cohort(1), cohort(2), [0, 3, 2], number, seeds, fresh=True)


def cohort(seed: int) -> Samples:
    """SUBJECTS who live with the same taxa; conditions are standard age, diet, sex."""
    branch = np.random.default_rng(0).integers(0, 3, size=(TAXA, 6))
    lineages = [tuple(f"{rank}{name}" for rank, name in enumerate(path)) for path in branch]
    effects = community.draw_effects(lineages, np.random.default_rng(0))
    rng, sheet = np.random.default_rng((seed, 1)), pd.DataFrame({"sample": [f"S{n}T1" for n in range(SUBJECTS)]})
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
    """One sample of each subject with age, country and sex known, thinned to DEPTH reads."""
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
    return Population(*parts, [0, len(countries), 2], len(rows) - first, SEEDS, fresh=False)
