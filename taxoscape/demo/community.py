"""Who lives where: a logistic-normal community whose covariance follows the tree of lineages.

log abundance = base + subject + age + diet - antibiotic + noise, each term a draw over the taxa in which relatives
share their clades' effects (Aitchison & Shen 1980, Biometrika 67:261, with Brownian covariance). A subject carries
only some taxa; a course of antibiotics before the second time point lowers the susceptible ones, which then recover.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

# Variance added at each rank, kingdom to genus, then the taxon itself; they sum to 1.
SHARES = (0.0, 0.1, 0.1, 0.15, 0.2, 0.2, 0.25)
DIETS = ("omnivore", "vegan", "vegetarian")
AGES = 20.0, 80.0  # years
# Standard deviations over the taxa, in natural logarithms.
BASE, SUBJECT, NOISE = 1.2, 0.7, 0.4
AGE, DIET = 0.9, 0.9  # per standard deviation of the age; per diet
KILLED = 2.5  # the most susceptible taxa fall to e^-KILLED at full strength
CARRIAGE, CARRIAGE_SPREAD = 1.0, 1.0  # logit of the share of subjects that carry a taxon: mean and sd over the taxa
TREATED = 0.4  # share of the subjects
INTERVAL, JITTER = 30, 3  # days between samples
COURSE, RECOVERY = 5, 30  # days from the course to the next sample; days in which its effect falls to 1/e
MISSING = 0.04  # share of the cells of a field that are left empty
FIELDS = ("age", "diet", "antibiotic", "sex")


@dataclass(frozen=True)
class Effects:
    """What each taxon answers with, natural logarithms: base, age per sd, diets, antibiotic at its worst, carriage."""

    base: np.ndarray  # [taxa]
    age: np.ndarray  # [taxa]
    diet: np.ndarray  # [taxa, diets]
    antibiotic: np.ndarray  # [taxa], never positive
    carriage: np.ndarray  # [taxa], probability that a subject carries it


def clade_normal(lineages: list[tuple[str, ...]], columns: int, rng: np.random.Generator) -> np.ndarray:
    """Standard normal draws [taxa, columns]; two taxa correlate by the SHARES of the ranks that they have in common."""
    taxa = len(lineages)
    values = np.sqrt(SHARES[-1]) * rng.standard_normal((taxa, columns))
    for rank, share in enumerate(SHARES[:-1], 1):
        clades, member = np.unique([";".join(lineage[:rank]) for lineage in lineages], return_inverse=True)
        values += np.sqrt(share) * rng.standard_normal((len(clades), columns))[member]
    return values


def draw_effects(lineages: list[tuple[str, ...]], rng: np.random.Generator) -> Effects:
    """Draw what the taxa answer with; diet effects are centred over the diets."""
    fields = clade_normal(lineages, 4 + len(DIETS), rng)
    diet = DIET * fields[:, 4:]
    susceptible = 1 / (1 + np.exp(-3 * fields[:, 2]))
    return Effects(
        base=BASE * fields[:, 0],
        age=AGE * fields[:, 1],
        diet=diet - diet.mean(axis=1, keepdims=True),
        antibiotic=-KILLED * susceptible,
        carriage=1 / (1 + np.exp(-CARRIAGE - CARRIAGE_SPREAD * fields[:, 3])),
    )


def draw_metadata(sheet: pd.DataFrame, timepoints: int, rng: np.random.Generator) -> pd.DataFrame:
    """Metadata without gaps, a row per sample of the sheet (subjects one after the other, `timepoints` rows each).

    Ages are spread evenly over AGES and grow with the days; diets and sexes are balanced; `course` is the day of the
    antibiotic (NaN: none). Columns: sample_id, subject, day, age [years], diet, antibiotic, sex, course.
    """
    subjects = len(sheet) // timepoints
    person, visit = np.divmod(np.arange(len(sheet)), timepoints)
    day = INTERVAL * visit + np.where(visit > 0, rng.integers(-JITTER, JITTER + 1, len(sheet)), 0)
    spread = (rng.permutation(subjects) + rng.random(subjects)) / subjects
    age = AGES[0] + (AGES[1] - AGES[0]) * spread[person] + day / 365.25
    diet = rng.permutation(np.arange(subjects) % len(DIETS))[person]
    sex = rng.permutation(np.arange(subjects) % 2)[person]
    treated = rng.permutation(subjects) < round(TREATED * subjects)
    second = day.reshape(subjects, timepoints)[:, min(1, timepoints - 1)]
    course = np.where(treated & (timepoints > 1), second - COURSE, np.nan)[person]
    return pd.DataFrame(
        {
            "sample_id": sheet["sample"].to_numpy(),
            "subject": sheet["sample"].str.split("T").str[0].to_numpy(),
            "day": day,
            "age": age.round(2),
            "diet": np.array(DIETS)[diet],
            "antibiotic": _state(day - course),
            "sex": np.array(["female", "male"])[sex],
            "course": course,
        }
    )


def blank_cells(metadata: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Metadata as a study would have them: `course` gone, and MISSING of the cells of each field (at least 1) empty."""
    known = metadata.drop(columns="course").astype(object)
    for field in FIELDS:
        rows = rng.choice(len(known), max(1, round(MISSING * len(known))), replace=False)
        known.iloc[rows, known.columns.get_loc(field)] = ""
    return known


def compositions(
    effects: Effects, metadata: pd.DataFrame, lineages: list[tuple[str, ...]], rng: np.random.Generator
) -> np.ndarray:
    """Shares [samples, taxa] of the taxa; rows sum to 1, taxa that a subject does not carry are 0."""
    subjects, person = np.unique(metadata["subject"], return_inverse=True)
    personal = SUBJECT * clade_normal(lineages, len(subjects), rng).T
    carried = rng.random(personal.shape) < effects.carriage
    carried[~carried.any(axis=1)] = True
    noise = NOISE * clade_normal(lineages, len(metadata), rng).T
    logs = effects.base + (personal + np.where(carried, 0, -np.inf))[person] + noise + responses(effects, metadata)
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def responses(effects: Effects, metadata: pd.DataFrame) -> np.ndarray:
    """Sum of the effects of age, diet and antibiotic [samples, taxa], natural logarithms."""
    diet = np.array([DIETS.index(name) for name in metadata["diet"]])
    since = metadata["day"].to_numpy() - metadata["course"].to_numpy()
    strength = np.where(since >= 0, np.exp(-np.maximum(since, 0) / RECOVERY), 0)
    age = standard_age(metadata["age"].to_numpy())
    return np.outer(age, effects.age) + effects.diet[:, diet].T + np.outer(strength, effects.antibiotic)


def standard_age(age: np.ndarray) -> np.ndarray:
    """Age in standard deviations of a uniform distribution over AGES."""
    return (age - sum(AGES) / 2) / ((AGES[1] - AGES[0]) / np.sqrt(12))


def _state(since: np.ndarray) -> np.ndarray:
    """State of a sample by the days since the course (NaN: no course)."""
    return np.select([np.isnan(since), since < 0, since < INTERVAL], ["none", "before", "after"], "recovery")
