"""Place ASVs on a reference tree by likelihood, with EPA-ng or with RAxML's evolutionary placement.

P. Barbera et al., EPA-ng: massively parallel evolutionary placement of genetic sequences, Syst. Biol. 68 (2019).
S. A. Berger, D. Krompass, A. Stamatakis, Performance, accuracy, and web server for evolutionary placement of short
sequence reads under maximum likelihood, Syst. Biol. 60 (2011).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from skbio import TreeNode

from taxoscape import programs
from taxoscape.errors import InputError, examples
from taxoscape.files import read_json
from taxoscape.phylogeny import tools
from taxoscape.phylogeny.align import check_enough
from taxoscape.phylogeny.graft import read_placements, write_placements
from taxoscape.phylogeny.reference import carry_over, mark_edges
from taxoscape.phylogeny.rooting import newick
from taxoscape.tables import ALIGNED, read_fasta, write_fasta

# Columns of the reference alignment stay as they are; letters of an ASV between them are left out. Fragments are
# compared by words: with every pair compared instead, 148 of 150 V4 sequences came to lie the same on 852 references,
# at 160 times the CPU time.
FRAGMENTS = ["--nuc", "--6merpair", "--keeplength"]
# Share of the branches that RAxML looks at closely for each sequence, after a quick look at all of them.
CLOSELY = "0.1"


def add_to_reference(
    sequences: dict[str, str], reference: dict[str, str], config: dict, threads: int
) -> tuple[dict[str, str], dict]:
    """Align sequences to the rows of a reference alignment with MAFFT -> their rows, and the record of the call.

    Raises InputError for fewer than two sequences, ids that the reference has too, and sequences that find no place.
    """
    check_enough(sequences)
    both = [name for name in sequences if name in reference]
    if both:
        raise InputError(
            f"{len(both)} features have the id of a sequence in phylogeny.reference.alignment ({examples(both)}): "
            "rename them in one of the two"
        )
    chosen = [*FRAGMENTS, "--op", str(config["gap_open"]), "--ep", str(config["gap_extend"])]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, together = (Path(folder, name) for name in ("ours.fasta", "theirs.fasta", "together.fasta"))
        names = tools.numbered(sequences, ours, "q")
        tools.numbered(reference, theirs, "r")
        command = [tools.program("MAFFT"), *chosen, "--thread", str(threads), "--addfragments", str(ours), str(theirs)]
        together.write_text(programs.run(command))
        found = read_fasta(together, ALIGNED)
    rows = {names[number]: found[number] for number in names}
    bare = [name for name, row in rows.items() if not row.strip("-")]
    if bare:
        raise InputError(
            f"{len(bare)} of {len(rows)} ASVs align to no column of the reference ({examples(bare)}): "
            "give a reference of the same gene, or take them out of the table"
        )
    return rows, tools.call("MAFFT", [*chosen, "--addfragments"])


def place(rows: dict[str, str], reference: dict[str, str], tree: TreeNode, config: dict) -> tuple[dict, dict]:
    """Place aligned sequences on the reference tree -> a jplace document on that tree, and the record of the call.

    EPA-ng runs on one thread and RAxML on two, always, so that the result is the same everywhere. Branch lengths of the
    reference tree stay as they are.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        queries = tools.numbered(rows, folder / "queries.fasta", "q")
        references = tools.numbered(reference, folder / "references.fasta", "r")
        number = {name: number for number, name in references.items()}
        plain = tree.copy()
        for tip in plain.tips():
            tip.name = number[tip.name]
        (folder / "tree.nwk").write_text(newick(plain))
        run = {"epa-ng": _epa_ng, "raxml": _raxml}[config["placer"]]
        answer, call = run(folder, config["reference"]["model"])
    places, scale = carry_over(read_placements(answer), answer["tree"], plain)
    print(f"{len(queries):,} ASVs placed; lengths of the reference tree are {scale:.3g} times those of the placement")
    places.sort(key=lambda place: (int(place.query[1:]), -place.weight, place.edge))
    renamed = [replace(place, query=queries[place.query]) for place in places]
    return write_placements(renamed, mark_edges(tree), "; ".join(call["arguments"].values())), call


def _raxml(folder: Path, model: None) -> tuple[dict, dict]:
    """RAxML 8: `-f v` places all sequences of the alignment that the tree lacks, under a model it fits itself.

    Its threaded build, the one that Debian has, takes no fewer than two threads.
    """
    chosen = ["-f", "v", "-G", CLOSELY, "-m", "GTRGAMMA"]
    parts = [read_fasta(folder / f"{name}.fasta", ALIGNED) for name in ("references", "queries")]
    write_fasta(parts[0] | parts[1], folder / "all.fasta")
    files = ["-s", str(folder / "all.fasta"), "-t", str(folder / "tree.nwk"), "-w", str(folder), "-n", "placed"]
    print(programs.run([tools.program("RAxML"), *chosen, "-T", "2", *files]))
    return read_json(folder / "RAxML_portableTree.placed.jplace"), tools.call("RAxML", chosen)


def _epa_ng(folder: Path, model: str) -> tuple[dict, dict]:
    """EPA-ng: places under a model whose parameters are given, a file of RAxML or RAxML-ng or their text."""
    model = str(Path(model).resolve()) if Path(model).is_file() else model
    files = {"--tree": "tree.nwk", "--ref-msa": "references.fasta", "--query": "queries.fasta"}
    paths = [part for flag, name in files.items() for part in (flag, str(folder / name))]
    print(programs.run([tools.program("EPA-ng"), *paths, "--model", model, "--outdir", str(folder), "--threads", "1"]))
    return read_json(folder / "epa_result.jplace"), tools.call("EPA-ng", ["--model", model])
