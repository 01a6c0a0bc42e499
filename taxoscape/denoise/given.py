"""A table that the study already has: counts, ids and sequences made the same as those of denoised reads."""

import biom
import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.denoise import STEPS
from taxoscape.errors import InputError, examples


def adopt(table: biom.Table, sequences: dict[str, str] | None) -> tuple[np.ndarray, list, list, dict[str, str]]:
    """Take over counts, without the features and samples that have no reads.

    With sequences given the ids stay the study's, and features without a sequence stay, too. Without, ids that are
    sequences become their MD5 and their own sequence; other ids stay and have none.
    Returns counts [samples, features], features, samples, and {feature: sequence}. Raises InputError when nothing
    has reads, two features are one sequence, or the sequences are of other features.
    """
    counts = tables.counts(table)
    taken, filled = counts.any(axis=0), counts.any(axis=1)
    print(f"{(~taken).sum():,} features and {(~filled).sum():,} samples without reads are left out")
    if not filled.any():
        raise InputError(f"the table of {counts.shape[0]} samples x {counts.shape[1]} features holds no read")
    features, samples = list(table.ids("observation")[taken]), list(table.ids()[filled])
    features, known = _from_ids(features) if sequences is None else _from_fasta(features, sequences)
    _check_distinct(known)
    print(f"{len(known):,} of {len(features):,} features have a sequence")
    return counts[np.ix_(filled, taken)], features, samples, known


def track(table: biom.Table, counts: np.ndarray, samples: list[str]) -> pd.DataFrame:
    """Reads of each sample of a given table; the steps before it are unknown (empty)."""
    reads = dict(zip(samples, counts.sum(axis=1), strict=True))
    frame = pd.DataFrame({"sample": table.ids()}).reindex(columns=["sample", *STEPS])
    return frame.assign(nonchimeric=[reads.get(sample, 0) for sample in table.ids()])


def _from_ids(features: list[str]) -> tuple[list[str], dict[str, str]]:
    """Ids -> ids with every sequence replaced by its MD5, and {id: sequence}."""
    if not all(map(tables.is_sequence, features)):
        mixed = [feature for feature in features if tables.is_sequence(feature)]
        if mixed:
            other = [feature for feature in features if not tables.is_sequence(feature)]
            raise InputError(
                f"{len(mixed)} feature ids of input.table are sequences but {len(other)} are not ({examples(other)}): "
                "give the sequences as FASTA in input.sequences"
            )
        print("the ids of the table are no sequences and input.sequences is not set: there are no sequences")
        return features, {}
    plain = [feature.upper().replace("U", "T") for feature in features]
    ids = [tables.sequence_id(sequence) for sequence in plain]
    if len(set(ids)) < len(ids):
        twice = [name for name, count in pd.Series(plain).value_counts().items() if count > 1]
        raise InputError(f"{len(twice)} features of input.table are one sequence in several spellings: {twice[0]}")
    return ids, dict(zip(ids, plain, strict=True))


def _from_fasta(features: list[str], sequences: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    known = {feature: sequences[feature] for feature in features if feature in sequences}
    missing = [feature for feature in features if feature not in sequences]
    if not known:
        raise InputError(
            f"none of the {len(features)} features of input.table is in input.sequences "
            f"(table: {examples(features)}; sequences: {examples(sequences)}): give the FASTA of this table"
        )
    print(f"{len(missing):,} features have no sequence; {len(sequences) - len(known):,} sequences are not in the table")
    return features, known


def _check_distinct(sequences: dict[str, str]) -> None:
    first = {}
    for feature, sequence in sequences.items():
        if sequence in first:
            raise InputError(
                f"features {first[sequence]} and {feature} of input.sequences are the same sequence: "
                "add up their counts in input.table"
            )
        first[sequence] = feature
