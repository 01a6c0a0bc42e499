"""Functional profiles: the search behind nearest profiles and parsimony on a tree, and how near both are to the truth.

The truth is that of 150 archaeal genomes held out of a reference of 852 (data folder picrust2_archaea, with PICRUSt2's
own output); its rows are left out where TAXOSCAPE_DATA does not name that folder.
"""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from bench.unifrac import random_tree, timed
from taxoscape import tables, trees
from taxoscape.demo import sources
from taxoscape.functions import channels, ko_tables, parsimony, profiles

ASVS = 100  # searched; times are scaled to 1,000
KOS = 1000  # copies of made-up genomes behind the sequences
TIPS, TRAITS, QUERIES = 3000, 10000, 1000
OURS = ["--maxaccepts", "200", "--maxrejects", "500", "--top_hits_only"]  # as rule search_reference
EXHAUSTIVE = ["--maxaccepts", "0", "--maxrejects", "0", "--top_hits_only"]
RESOURCES = Path(__file__).parent.parent / "resources"
ORACLE = Path(os.environ.get("TAXOSCAPE_DATA", "../shared/data")) / "picrust2_archaea"
SMOKE = {"ASVS": 3, "KOS": 5, "TIPS": 20, "TRAITS": 4, "QUERIES": 3, "ORACLE": Path("not available")}


def rows() -> list[dict]:
    """Seconds of search and parsimony beside an exhaustive search and dense least squares; accuracy where data is."""
    with TemporaryDirectory() as folder:
        found = [transfer(Path(folder)), reconstruction()]
        return found + (accuracy(ORACLE, Path(folder)) if ORACLE.is_dir() else [])


def transfer(folder: Path) -> dict:
    """Profiles of V4 amplicons from the nearest of dada2's other full-length sequences, one thread."""
    known = sources.read_reference(sources.extdata() / sources.SEQUENCES)
    usable = [place for place, amplicon in enumerate(known.amplicons) if amplicon]
    chosen = np.random.default_rng(0).choice(usable, ASVS, replace=False)
    rest = np.setdiff1d(np.arange(len(known.sequences)), chosen)
    tables.write_fasta({f"q{place}": known.amplicons[place] for place in chosen}, folder / "asvs.fna")
    tables.write_fasta({f"r{place}": known.sequences[place] for place in rest}, folder / "reference.fna")
    copies = pd.DataFrame(np.random.default_rng(1).poisson(0.3, (len(rest), KOS)), [f"r{place}" for place in rest])
    copies.columns = [f"K{90000 + ko}" for ko in range(KOS)]
    copies.to_csv(folder / "ko.tsv", sep="\t", index_label="genome")

    def profile(options: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        search(folder / "asvs.fna", folder / "reference.fna", folder / "hits.tsv", 0.8, options)
        return profiles.nearest(profiles.read_hits(folder / "hits.tsv"), str(folder / "ko.tsv"), None)

    ours, (mine, evidence) = timed(lambda: profile(OURS), 2)
    other, (all_of_them, best) = timed(lambda: profile(EXHAUSTIVE), 1)
    same = (evidence["identity"].reindex(best.index) == best["identity"]).mean()
    alike = np.isclose(mine.reindex(best.index), all_of_them).all(axis=1).mean()
    note = (
        f"exhaustive vsearch, {len(rest):,} references; same best identity for {same:.1%}, same profile for {alike:.1%}"
    )
    return row("nearest profiles per 1,000 ASVs", ours * 1000 / ASVS, other * 1000 / ASVS, "s", note)


def reconstruction() -> dict:
    """Copies of 10,000 genes at 1,000 points of a tree of 3,000 tips."""
    rng = np.random.default_rng(0)
    tree = trees.tree_arrays(random_tree(TIPS, rng))
    copies, tips = rng.poisson(0.5, (TIPS, TRAITS)).astype(np.float32), np.arange(TIPS)
    chosen, height = rng.integers(0, TIPS, QUERIES), rng.exponential(0.05, QUERIES)
    place = parsimony.climb(tree, chosen, height)
    ours, found = timed(lambda: parsimony.at_points(tree, copies, tips, 0.02, *place), 2)
    other, expected = timed(lambda: dense(tree, copies, 0.02, chosen, height), 1)
    note = (
        f"generalised least squares with the full covariance; largest difference {np.abs(found - expected).max():.1e}"
    )
    return row(f"parsimony, {TIPS:,} tips x {TRAITS:,} KOs, {QUERIES:,} ASVs", ours, other, "s", note)


def dense(tree: trees.TreeArrays, copies: np.ndarray, within: float, tips: np.ndarray, height: np.ndarray):
    """The same copies [Q, K] from the covariance of all tips under Brownian motion, root unknown."""
    depth = trees.depths(tree)[tree.tip_node]
    shared = (depth[:, None] + depth - trees.patristic_distances(tree)) / 2
    n = len(depth)
    system = np.ones((n + 1, n + 1))
    system[:n, :n], system[n, n] = shared + within * np.eye(n), 0
    between = np.minimum(shared[tips], np.maximum(depth[tips] - height, 0)[:, None])
    return np.linalg.solve(system, np.vstack([between.T, np.ones(len(tips))]))[:n].T @ copies


def accuracy(oracle: Path, folder: Path) -> list[dict]:
    """Median Spearman to the true KO copies beside PICRUSt2's, and channels' total variation from PICRUSt2's."""
    files = {"sequences": str(oracle / "reference.fna"), "ko": str(oracle / "reference_ko.tsv.gz")}
    files |= {"copies": str(oracle / "reference_16S.tsv.gz"), "tree": str(oracle / "reference.tre")}
    queries = list(tables.read_fasta(oracle / "queries_v4.fna"))
    tables.write_fasta(ko_tables.read_sequences(files), folder / "genomes.fna")
    search(oracle / "queries_v4.fna", folder / "genomes.fna", folder / "hits.tsv", 0.6, OURS[:-1])
    hits = profiles.read_hits(folder / "hits.tsv")
    truth = ko_tables.read_ko(oracle / "truth_ko.tsv.gz", {name.removeprefix("asv_") for name in queries})
    truth = truth.set_axis("asv_" + truth.index).loc[queries]
    theirs = ko_tables.read_ko(oracle / "picrust2_ko_predicted.tsv.gz", set(queries)).loc[queries]
    genomes = ko_tables.read_ko(files["ko"], set(ko_tables.read_ids(files["ko"])))
    predicted = {
        "nearest": profiles.nearest(hits, files["ko"], files["copies"])[0].loc[queries],
        "parsimony": profiles.grafted(hits, files["tree"], files["ko"], files["copies"])[0].loc[queries],
        "mean of all references": pd.DataFrame([genomes.mean()] * len(queries), queries),
    }
    asked = spearman(theirs, truth)
    found = [
        row(
            f"KO copies of held-out genomes: {name}", spearman(copies, truth), asked, "Spearman", "PICRUSt2 2.6.3", True
        )
        for name, copies in predicted.items()
    ]
    pathways = channels.read_map(oracle.parent / "picrust2_maps" / "KEGG_pathways_to_KO.tsv")
    weight = channels.weights(truth.columns, channels.read_channels(RESOURCES / "channels.tsv"), pathways)
    share = {name: channels.shares(copies.reindex(columns=truth.columns, fill_value=0), weight).to_numpy()
             for name, copies in (predicted | {"truth": truth, "PICRUSt2": theirs}).items()}  # fmt: skip
    far = variation(share["PICRUSt2"], share["truth"])
    for name in predicted:
        note = f"PICRUSt2 2.6.3; from PICRUSt2's own {variation(share[name], share['PICRUSt2']):.4f}"
        name, mine = f"channels of held-out genomes: {name}", variation(share[name], share["truth"])
        found.append(row(name, mine, far, "total variation from the truth", note))
    return found


def spearman(predicted: pd.DataFrame, truth: pd.DataFrame) -> float:
    """Median over genomes of the rank correlation over all KOs."""
    predicted = predicted.reindex(index=truth.index, columns=truth.columns, fill_value=0)
    return float(predicted.T.rank().corrwith(truth.T.rank()).median())


def variation(one: np.ndarray, other: np.ndarray) -> float:
    """Median total variation between rows of shares [N, C]."""
    return float(np.median(np.abs(one - other).sum(axis=1) / 2))


def search(queries: Path, database: Path, hits: Path, identity: float, options: list[str]) -> None:
    """Write vsearch's hits as rule search_reference does, on one thread."""
    command = ["vsearch", "--usearch_global", queries, "--db", database, "--strand", "both", "--id", identity, *options]
    command += ["--userout", hits, "--userfields", "query+target+id+qcov", "--threads", 1]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def row(name: str, ours: float, other: float, unit: str, note: str, more_is_better: bool = False) -> dict:
    ratio = ours / other if more_is_better else other / ours
    return {"name": name, "ours": float(ours), "other": float(other), "ratio": ratio, "unit": unit, "note": note}
