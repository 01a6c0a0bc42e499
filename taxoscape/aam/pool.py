"""Pool studies for pretraining: their ASVs cut to the bases that all studies read, equal ones joined, one table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape import tables
from taxoscape.aam.commands import Inputs, groups_of, known_sequences
from taxoscape.errors import InputError, examples
from taxoscape.files import write_json, write_tsv

HEAD = 24  # letters by which a sequence is found in those of another study
FOUND = 0.05  # share of a study's sequences that must be found so
REACH = 0.95  # share of every study's reads that reach the common end


@dataclass(frozen=True)
class Part:
    """A study to be pooled: counts of the ASVs that have a sequence."""

    path: Path
    samples: np.ndarray  # [N] ids
    groups: np.ndarray  # [N] subjects
    sequences: list[str]  # [T]
    counts: scipy.sparse.csr_matrix  # [N, T] reads


def pool_studies(studies: Sequence[Inputs], folder: Path, max_bp: int) -> None:
    """Write table.biom and asvs.fasta (ids are MD5s), samples.tsv (sample_id, study, group) and pool.json.

    Raises InputError for samples of one name in two studies, and for a study that reads another region.
    """
    parts = [read_part(study) for study in studies]
    samples = pd.Series(np.concatenate([part.samples for part in parts]), dtype=str)
    if samples.duplicated().any():
        twice = samples[samples.duplicated()]
        raise InputError(f"{len(twice)} samples have the same name in two tables: {examples(twice)}; rename them")
    starts = common_starts(parts)
    length = min(max_bp, *(reach(part, start) for part, start in zip(parts, starts, strict=True)))
    cut = [[one[start : start + length] for one in part.sequences] for part, start in zip(parts, starts, strict=True)]
    known = sorted({one for part in cut for one in part if len(one) == length})
    counts = [joined(part.counts, sequences, known) for part, sequences in zip(parts, cut, strict=True)]
    ids = [tables.sequence_id(one) for one in known]
    tables.write_table(scipy.sparse.vstack(counts), ids, samples, folder / "table.biom")
    tables.write_fasta(dict(zip(ids, known, strict=True)), folder / "asvs.fasta")
    write_tsv(pd.concat([owners(part, number) for number, part in enumerate(parts)]), folder / "samples.tsv")
    present = np.array([np.asarray(one.sum(axis=0)).ravel() > 0 for one in counts])
    rows = [
        {
            "table": str(part.path),
            "samples": len(part.samples),
            "asvs": int(own.sum()),
            "first_base": start,
            "reads_left_out": float(1 - kept.sum() / part.counts.sum()),
        }
        for part, start, own, kept in zip(parts, starts, present, counts, strict=True)
    ]
    shared = int((present.sum(axis=0) > 1).sum())
    write_json({"bases": length, "asvs": len(known), "asvs_shared": shared, "studies": rows}, folder / "pool.json")
    print(f"wrote {folder}: {len(samples)} samples, {len(known)} ASVs of {length} bases, {shared} in several studies")


def read_part(inputs: Inputs) -> Part:
    """Read a study; features without a sequence are left out and counted."""
    table = tables.read_table(inputs.table)
    tables.check_counts(table, inputs.table)
    known = known_sequences(table, inputs)
    features = table.ids("observation")
    kept = [place for place, name in enumerate(features) if name in known]
    matrix = table.matrix_data.T.tocsr()
    counts = matrix[:, kept]
    share = counts.sum() / matrix.sum()
    print(f"{inputs.table}: {len(kept)} of {len(features)} features have a sequence, {share:.1%} of the reads")
    sequences = [known[name] for name in features[kept]]
    return Part(inputs.table, table.ids(), groups_of(table.ids(), inputs), sequences, counts)


def owners(part: Part, number: int) -> pd.DataFrame:
    """Study and group of each sample; groups of different studies are different."""
    groups = [f"{number}:{group}" for group in part.groups]
    return pd.DataFrame({"sample_id": part.samples, "study": str(part.path), "group": groups})


def joined(counts: scipy.sparse.csr_matrix, sequences: list[str], known: list[str]) -> scipy.sparse.csr_matrix:
    """Counts [N, T] of `sequences` as counts [N, K] of the `known`; reads of others are left out."""
    place = {one: number for number, one in enumerate(known)}
    pairs = [(row, place[one]) for row, one in enumerate(sequences) if one in place]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    member = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(sequences), len(known)))
    return counts @ member


def common_starts(parts: Sequence[Part]) -> list[int]:
    """Bases to leave out at the start of each study's sequences, so that all start at the same base of the gene."""
    later = [offset(parts[0], part) for part in parts]
    return [max(later) - one for one in later]


def offset(first: Part, other: Part) -> int:
    """Bases by which the sequences of `other` start after (below 0: before) those of `first`.

    The heads of either's sequences are looked up in the other's; the commonest place is where they start. Raises
    InputError where too few agree in it.
    """
    found = Counter()
    for where, whose, sign in ((first, other, 1), (other, first, -1)):
        heads = {one[:HEAD] for one in whose.sequences}
        for one in where.sequences:
            found.update(sign * at for at in range(len(one) - HEAD + 1) if one[at : at + HEAD] in heads)
    place, times = found.most_common(1)[0] if found else (0, 0)
    if times < FOUND * min(len(first.sequences), len(other.sequences)):
        raise InputError(
            f"{other.path} does not read the region that {first.path} reads: of its {len(other.sequences)} ASVs "
            f"{times} agree in where they start; pool studies of one region"
        )
    return place


def reach(part: Part, start: int) -> int:
    """Bases from `start` on that ASVs with most (REACH) of a study's reads have."""
    lengths = np.array([len(one) - start for one in part.sequences])
    order = np.argsort(-lengths, kind="stable")
    reads = np.asarray(part.counts.sum(axis=0)).ravel()[order].cumsum()
    return int(lengths[order][np.searchsorted(reads, REACH * reads[-1])])
