"""Which ASVs stay: by length, by abundance over the study, by lineage; each loss counted by sample and by setting.

The criteria are tried in that order, and an ASV leaves at the first that it fails. A setting that is null is off.
"""

import biom
import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape import tables
from taxoscape.errors import InputError, examples
from taxoscape.taxonomy.lineages import NO_NAME

# Columns that track.tsv gains: reads left after each of them.
STEPS = ["length", "abundance", "lineage"]
RANKS = ["domain", "phylum", "class", "order", "family", "genus", "species"]
# The first letter of a rank name is its prefix (p__); the domain goes by two.
LETTERS = {rank[0]: rank[0] for rank in RANKS} | {"k": "d"}


def check_filter(config: dict, samples: int) -> None:
    """Raise InputError for settings of the section that cannot be met, or that speak of no rank.

    `samples` is the number of samples in the study.
    """
    settings = config["filter"]
    shortest, longest = settings["min_length"], settings["max_length"]
    if shortest and longest and shortest > longest:
        raise InputError(f"filter.min_length={shortest} is above filter.max_length={longest}: no ASV can stay")
    if settings["min_samples"] and settings["min_samples"] > samples:
        raise InputError(
            f"filter.min_samples={settings['min_samples']} is more than the {samples} samples of the study: lower it"
        )
    for term in settings["exclude"]:
        if ";" in term or not rank_name(term)[1]:
            raise InputError(
                f"filter.exclude holds {term!r}: give the name of one rank, such as Mitochondria or f__Mitochondria"
            )


def describe(table: biom.Table, sequences: dict[str, str], taxonomy: pd.Series | None) -> pd.DataFrame:
    """What the criteria look at (index asv): length (nt, NaN without a sequence), reads, samples, taxon.

    The taxon is empty where no taxonomy is given or it has no row for the ASV.
    """
    asvs = pd.Index(table.ids("observation"), name="asv")
    matrix = table.matrix_data.tocsr()
    frame = pd.DataFrame(index=asvs)
    frame["length"] = [len(sequences[asv]) if asv in sequences else np.nan for asv in asvs]
    frame["reads"] = np.asarray(matrix.sum(axis=1)).ravel().astype(np.int64)
    frame["samples"] = np.asarray((matrix > 0).sum(axis=1)).ravel().astype(np.int64)
    frame["taxon"] = "" if taxonomy is None else taxonomy.reindex(asvs).fillna("")
    return frame


def judge(asvs: pd.DataFrame, config: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Verdict on each ASV of `describe`, and what each setting in force removes.

    Verdict: index asv; step and reason of the first criterion that it fails, empty for one that stays.
    Summary: step, setting, value, asvs and reads removed by it. Raises InputError when lengths are asked of ASVs none
    of which has a sequence.
    """
    if (config["min_length"] or config["max_length"]) and asvs["length"].isna().all():
        raise InputError(
            f"filter.min_length and filter.max_length need sequences, but none of the {len(asvs):,} ASVs has one: "
            "name their FASTA in input.sequences, or set both to null"
        )
    verdict = pd.DataFrame("", index=asvs.index, columns=["step", "reason"])
    rows = []
    for step, setting, value, broken, reason in _criteria(asvs, config):
        leaves = broken & (verdict["step"] == "")
        verdict.loc[leaves, ["step", "reason"]] = step, reason
        rows.append((step, setting, value, int(leaves.sum()), int(asvs.loc[leaves, "reads"].sum())))
    return verdict, pd.DataFrame(rows, columns=["step", "setting", "value", "asvs", "reads"])


def check_left(asvs: pd.DataFrame, verdict: pd.DataFrame, summary: pd.DataFrame) -> None:
    """Raise InputError when no ASV stays, naming what each setting removed and the lengths that there are."""
    if (verdict["step"] == "").any():
        return
    removed = ", ".join(f"filter.{row.setting}={row.value} removes {row.asvs:,}" for row in summary.itertuples())
    lengths = asvs["length"].dropna()
    spread = f"; they are {lengths.min():.0f} to {lengths.max():.0f} nt long" if len(lengths) else ""
    raise InputError(f"filter keeps 0 of {len(asvs):,} ASVs ({removed or 'the table is empty'}{spread}): loosen it")


def track(table: biom.Table, verdict: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Reads of every sample left after each step, as columns beside those of `before` (sample, ...).

    Samples that the table lacks have lost all reads earlier: 0.
    """
    left = before.copy()
    failed = verdict["step"].map({step: place for place, step in enumerate(STEPS)}).to_numpy()
    matrix = table.matrix_data.tocsr()
    for place, step in enumerate(STEPS):
        stays = ~(failed <= place)
        reads = pd.Series(np.asarray(matrix[stays].sum(axis=0)).ravel(), index=table.ids())
        left[step] = reads.reindex(left["sample"]).fillna(0).astype(np.int64).to_numpy()
    return left


def keep(table: biom.Table, stays: np.ndarray) -> tuple[scipy.sparse.csr_matrix, list[str], list[str]]:
    """Counts [samples, taxa] (sparse), taxa and samples without the ASVs that leave and the samples left empty."""
    matrix = table.matrix_data.T.tocsr()[:, np.flatnonzero(stays)]
    filled = np.asarray(matrix.sum(axis=1)).ravel() > 0
    emptied = table.ids()[~filled]
    print(f"{stays.sum():,} of {len(stays):,} ASVs and {matrix.sum() / table.sum():.2%} of the reads stay")
    if len(emptied):
        print(f"{len(emptied)} samples have no reads left and are not in the table: {examples(emptied, 20)}")
    return matrix[np.flatnonzero(filled)], list(table.ids("observation")[stays]), list(table.ids()[filled])


def removed(asvs: pd.DataFrame, verdict: pd.DataFrame) -> pd.DataFrame:
    """The ASVs that leave, by falling reads: asv, length, reads, samples, taxon, step, reason."""
    frame = asvs.join(verdict).loc[verdict["step"] != ""].reset_index()
    return frame.astype({"length": "Int64"}).sort_values("reads", ascending=False, kind="stable")


def foreseen(table: biom.Table, config: dict) -> biom.Table:
    """Table of a study without what the filter will remove, as far as its own files tell before any job.

    Lineages count where input.taxonomy gives them; those still to be assigned are not known here.
    """
    check_filter(config, table.shape[1])
    settings = config["input"]
    ids = list(table.ids("observation"))
    if settings["sequences"]:
        sequences = tables.read_fasta(settings["sequences"])
    else:
        sequences = {asv: asv for asv in ids if tables.is_sequence(asv)}
    taxonomy, known = None, dict(config["filter"])
    if settings["taxonomy"]:
        taxonomy = tables.read_taxonomy(settings["taxonomy"])
        own = {tables.known_as(asv, ()): asv for asv in ids}
        taxonomy = taxonomy.set_axis([own.get(tables.known_as(name, ()), name) for name in taxonomy.index])
    else:
        known |= {"exclude": [], "require": None}
    asvs = describe(table, sequences, taxonomy)
    verdict, summary = judge(asvs, known)
    check_left(asvs, verdict, summary)
    return table.filter(list(asvs.index[verdict["step"] == ""]), axis="observation", inplace=False)


def ranks(taxon: str) -> dict[str, str]:
    """Named ranks of a lineage: first letter (d, p, c, ...) -> name in small letters; unnamed ranks are left out."""
    parts = [rank_name(part) for part in taxon.split(";")]
    return {letter or place: name for (letter, name), place in zip(parts, LETTERS, strict=False) if name not in NO_NAME}


def rank_name(text: str) -> tuple[str, str]:
    """Rank's letter (empty where the text has no prefix) and name in small letters of `f__Mitochondria`."""
    letter, mark, name = text.strip().lower().partition("__")
    if mark and letter in LETTERS:
        return LETTERS[letter], name.strip()
    return "", text.strip().lower()


def holds(taxon: str, term: str) -> bool:
    """Whether a rank of the lineage has this whole name; a term with a prefix asks for that rank alone."""
    letter, name = rank_name(term)
    named = ranks(taxon)
    return named.get(letter) == name if letter else name in named.values()


def _criteria(asvs: pd.DataFrame, config: dict) -> list[tuple]:
    """Settings in force: step, setting, value, whether each ASV fails it, and why in words."""
    taxa = asvs["taxon"]
    bounds = [
        ("length", "min_length", lambda least: asvs["length"] < least, "shorter than {} nt"),
        ("length", "max_length", lambda most: asvs["length"] > most, "longer than {} nt"),
        ("abundance", "min_reads", lambda least: asvs["reads"] < least, "fewer than {} reads"),
        ("abundance", "min_samples", lambda least: asvs["samples"] < least, "in fewer than {} samples"),
        ("abundance", "min_share", lambda least: asvs["reads"] < least * asvs["reads"].sum(), "below {} of the reads"),
    ]
    found = [
        (step, setting, config[setting], broken(config[setting]), reason.format(config[setting]))
        for step, setting, broken, reason in bounds
        if config[setting] is not None
    ]
    for term in config["exclude"]:
        holding = taxa.map({taxon: holds(taxon, term) for taxon in taxa.unique()}).astype(bool)
        found.append(("lineage", "exclude", term, holding, f"lineage holds {term}"))
    if config["require"] is not None:
        letter = config["require"][0]
        unnamed = taxa.map({taxon: letter not in ranks(taxon) for taxon in taxa.unique()}).astype(bool)
        found.append(("lineage", "require", config["require"], unnamed, f"no name at {config['require']}"))
    return found
