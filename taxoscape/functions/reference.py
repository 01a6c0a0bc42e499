"""The reference genomes: files in PICRUSt2's layout, of one set of genomes."""

from taxoscape import tables, trees
from taxoscape.errors import InputError, examples
from taxoscape.functions.ko_tables import read_copies, read_ids


def read_sequences(files: dict[str, str]) -> dict[str, str]:
    """Read the 16S sequences without their gaps; `files` names sequences and ko, and perhaps copies and tree.

    Raises InputError when a sequence has no row of KO copies, no 16S copies or no tip.
    """
    sequences = tables.read_fasta(files["sequences"], tables.ALIGNED)
    _check("functions.reference.ko", files["ko"], "row", sequences, set(read_ids(files["ko"])))
    if "tree" in files:
        tips = {tip.name for tip in trees.read_tree(files["tree"]).tips()}
        _check("functions.reference.tree", files["tree"], "tip", sequences, tips)
    if "copies" in files:
        read_copies(files["copies"], list(sequences))
    bare = {name: sequence.replace("-", "").replace(".", "") for name, sequence in sequences.items()}
    gaps = [name for name, sequence in bare.items() if not sequence]
    if gaps:
        raise InputError(f"functions.reference.sequences {files['sequences']} holds only gaps for {examples(gaps)}")
    return bare


def _check(key: str, path: str, part: str, sequences: dict[str, str], known: set[str]) -> None:
    lacking = [name for name in sequences if name not in known]
    if lacking:
        raise InputError(
            f"{key} {path} has no {part} for {len(lacking):,} of the {len(sequences):,} sequences of "
            f"functions.reference.sequences ({examples(lacking)}): give the files of one set of genomes"
        )
