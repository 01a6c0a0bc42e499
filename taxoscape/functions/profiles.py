"""KO copies of each taxon: from its nearest reference genomes, from a finished table, or from PICRUSt2's output.

Every way ends in the same two tables: copies (taxon x KO, copies per genome) and evidence (taxon: status, reference,
identity, coverage, nsti, 16S copies). Copies are per genome and not divided by the number of 16S copies: that division
belongs to reads (reads / 16S copies = genomes), so evidence carries the 16S copies along.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape import tables, trees
from taxoscape.errors import InputError, examples
from taxoscape.functions import parsimony
from taxoscape.functions.ko_tables import read_copies, read_ko

EVIDENCE = ["reference", "identity", "coverage", "nsti", "copies"]
HALF = 0.5  # copies: a gene that parsimony expects fewer of counts as absent, as most genomes around lack it


def profile(method: str, taxa: list[str], files: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Copies [known taxa, KO] and evidence [known taxa] by `method`; `files` are those that the method needs.

    nearest: hits, ko and perhaps copies; parsimony: the tree, too; table: ko and perhaps copies; picrust2: ko and nsti;
    none: nothing.
    Raises InputError when no taxon has a profile.
    """
    match method:
        case "nearest":
            copies, evidence = nearest(read_hits(files["hits"]), files["ko"], files.get("copies"))
        case "parsimony":
            hits = read_hits(files["hits"])
            copies, evidence = grafted(hits, files["tree"], files["ko"], files.get("copies"))
        case "table":
            copies = read_ko(files["ko"], set(taxa))
            evidence = pd.DataFrame(index=copies.index, columns=EVIDENCE)
            if "copies" in files:
                evidence["copies"] = read_copies(files["copies"], list(copies.index))
        case "picrust2":
            copies, evidence = read_ko(files["ko"], set(taxa)), read_nsti(files["nsti"])
        case "none":
            return pd.DataFrame(index=[]), pd.DataFrame(index=[], columns=EVIDENCE)
    copies = copies.loc[[taxon for taxon in taxa if taxon in copies.index]]
    if copies.empty:
        raise InputError(
            f"functions.method={method} finds a profile for none of {len(taxa)} features ({examples(taxa)}) in "
            f"{files['ko']}: check the ids, lower functions.min_identity, or set functions.method: none"
        )
    return copies, evidence.reindex(copies.index)


def nearest(hits: pd.DataFrame, ko: str, copies: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean KO copies of the nearest references of each taxon (ties averaged), and the evidence.

    `hits` has taxon, reference, identity and coverage (0-1), the tied references first. `nsti` is the Jukes-Cantor
    distance to the nearest reference, in substitutions/site of what was sequenced.
    """
    best = nearest_hits(hits)
    reference = read_ko(ko, set(best["reference"]))
    _all_in(best["reference"], reference.index, f"row in {ko}")
    evidence = _evidence(best, parsimony.jukes_cantor)
    mean = _averaging(best, list(evidence.index), list(reference.index))
    evidence["copies"] = mean @ read_copies(copies, list(reference.index)) if copies else np.nan
    profiles = pd.DataFrame(mean @ reference.to_numpy(), index=evidence.index, columns=reference.columns)
    return profiles, evidence[EVIDENCE]


def grafted(hits: pd.DataFrame, tree: str, ko: str, copies: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """KO copies of each taxon where it is grafted on the reference tree, by parsimony, and the evidence.

    A taxon is expected at a tree distance from its nearest reference that its identity tells (parsimony.distance_line,
    learned from all hits); it leaves the way from that reference to the root half as far up. Ties are averaged. `nsti`
    is that expected distance.
    """
    best, arrays = nearest_hits(hits), trees.tree_arrays(trees.read_tree(tree))
    _all_in(hits["reference"], arrays.tips, f"tip in {tree}")
    reference = read_ko(ko, set(arrays.tips))
    _all_in(best["reference"], reference.index, f"row in {ko}")
    reference = reference.reindex([tip for tip in arrays.tips if tip in reference.index])
    traits = reference.to_numpy()
    if copies:
        traits = np.column_stack([traits, read_copies(copies, list(reference.index))])
    intercept, slope = parsimony.distance_line(*_pairs(hits, arrays))
    print(f"tree distance = {intercept:.4f} + {slope:.3f} x distance of the 16S sequences")
    evidence = _evidence(best, lambda identity: intercept + slope * parsimony.jukes_cantor(identity))
    found = _averaging(best, list(evidence.index)) @ _at_grafts(best, evidence["nsti"], arrays, reference.index, traits)
    evidence["copies"] = found[:, -1] if copies else np.nan
    found = found[:, : reference.shape[1]]
    found[found < HALF] = 0
    return pd.DataFrame(found, index=evidence.index, columns=reference.columns), evidence[EVIDENCE]


def nearest_hits(hits: pd.DataFrame) -> pd.DataFrame:
    """Hits whose identity is the best of their taxon."""
    return hits[hits["identity"] == hits.groupby("taxon")["identity"].transform("max")].reset_index(drop=True)


def within_reach(copies: pd.DataFrame, evidence: pd.DataFrame, max_nsti: float) -> pd.DataFrame:
    """Leave out profiles whose NSTI is known and larger than `max_nsti` (as PICRUSt2's --max_nsti does)."""
    if copies.empty:
        return copies
    far = evidence["nsti"].reindex(copies.index).astype(float) > max_nsti
    if far.all():
        raise InputError(
            f"functions.max_nsti={max_nsti:g} leaves none of {len(far):,} profiles (the nearest has NSTI "
            f"{evidence['nsti'].min():g}): raise it, or give a reference that is nearer to this study"
        )
    return copies[~far]


def complete(copies: pd.DataFrame, evidence: pd.DataFrame, taxa: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every taxon a profile: those without get the mean of the others and status `imputed`, else `ok`."""
    evidence = evidence.reindex(taxa).rename_axis("taxon")
    evidence.insert(0, "status", np.where(pd.Index(taxa).isin(copies.index), "ok", "imputed"))
    # Without any profile (method none) there is no KO either, and nothing to average.
    return copies.reindex(taxa).fillna(copies.mean()).rename_axis("taxon"), evidence


def read_hits(path: str | Path) -> pd.DataFrame:
    """Read vsearch's hits (query, target, identity %, query coverage %): taxon, reference, identity, coverage (0-1)."""
    if not Path(path).stat().st_size:
        raise InputError(
            "functions.method=nearest: no feature has a sequence with a reference as close as functions.min_identity; "
            "lower it, check that reference and ASVs cover the same region, or set functions.method: none"
        )
    names = ["taxon", "reference", "identity", "coverage"]
    hits = pd.read_csv(path, sep="\t", names=names, dtype={"taxon": str, "reference": str}, keep_default_na=False)
    hits[["identity", "coverage"]] = (hits[["identity", "coverage"]].astype(float) / 100).round(5)
    # vsearch's threads write in any order.
    return hits.sort_values(["taxon", "reference"], ignore_index=True)


def read_evidence(path: str | Path) -> pd.DataFrame:
    """Read nsti.tsv: status, reference, identity, coverage, nsti, copies (NaN where unknown); index taxon."""
    frame = tables.read_tsv(path, "evidence").set_index("taxon")
    numbers = ["identity", "coverage", "nsti", "copies"]
    return frame.assign(**frame[numbers].apply(pd.to_numeric, errors="coerce"))


def read_nsti(path: str | Path) -> pd.DataFrame:
    """Read PICRUSt2's marker table as evidence: 16S copies, NSTI and, where it names it, the closest genome."""
    marker = pd.read_csv(path, sep="\t", dtype={0: str}, index_col=0)
    marker.index = marker.index.astype(str)
    if "metadata_NSTI" not in marker:
        raise InputError(f"PICRUSt2 table {path} has no column metadata_NSTI, only {examples(marker.columns)}")
    columns = {"closest_reference_genome": "reference", "metadata_NSTI": "nsti", "16S_rRNA_Count": "copies"}
    return marker.rename(columns=columns).reindex(columns=EVIDENCE)


def quality(method: str, evidence: pd.DataFrame, reads: np.ndarray, unmapped: float) -> dict:
    """Summary for the report: ASVs and share (0-1) of reads [taxa] without a profile of their own, identities, NSTI."""
    imputed = (evidence["status"] == "imputed").to_numpy()
    numbers = evidence[["identity", "nsti"]].astype(float)
    quantiles = {name: numbers[name].quantile([0, 0.25, 0.5, 0.75, 1]).tolist() for name in numbers}
    return {
        "method": method,
        "asvs": len(evidence),
        "asvs_imputed": int(imputed.sum()),
        "asvs_imputed_share": float(imputed.mean()),
        "reads_imputed": float(reads[imputed].sum() / reads.sum()),
        "unmapped_share": unmapped,
        "identity_quantiles": quantiles["identity"],
        "nsti_quantiles": quantiles["nsti"],
    }


def provenance(method: str, version: str | None, config: dict) -> dict:
    """Versions of the tool that a method called, whose own words the file `version` holds, and its arguments."""
    tools = {
        "nearest": ("VSEARCH", {"id": config["min_identity"], "maxaccepts": 200, "maxrejects": 500, "strand": "both"}),
        "picrust2": (
            "PICRUSt2",
            {
                "placement_tool": config["placement"],
                "max_nsti": config["max_nsti"],
                "in_traits": "KO",
                "skip_norm": config["normalise"] is False,
            },
        ),
    }
    tools["parsimony"] = tools["nearest"]
    if method not in tools:
        return {"versions": {}, "arguments": {}}
    tool, arguments = tools[method]
    number = re.search(r"\d+\.[\w.-]*\w", Path(version).read_text())
    return {"versions": {tool: number.group().split("_")[0]}, "arguments": {tool: arguments}}


def _evidence(best: pd.DataFrame, distance: Callable) -> pd.DataFrame:
    """Evidence [taxa] of the nearest hits; `distance` turns identities into NSTI."""
    by_taxon = best.groupby("taxon")
    evidence = by_taxon[["identity", "coverage"]].mean()
    evidence["reference"] = by_taxon["reference"].agg(lambda names: examples(sorted(names)))
    evidence["nsti"] = np.round(distance(evidence["identity"].to_numpy()), 6)
    return evidence


def _at_grafts(
    best: pd.DataFrame, distance: pd.Series, tree: trees.TreeArrays, references: pd.Index, traits: np.ndarray
) -> np.ndarray:
    """Traits [H, K] where each taxon leaves the way of its nearest hit to the root, at half its `distance` [taxa]."""
    tips = pd.Index(tree.tips)
    known = tips.get_indexer(references)
    within = parsimony.within_tips(tree, traits, known)
    print(f"genomes differ within tips as if {within:.4f} apart")
    height = distance[best["taxon"]].to_numpy() / 2
    node, above = parsimony.climb(tree, tips.get_indexer(best["reference"]), height)
    return parsimony.at_points(tree, traits, known, within, node, above)


def _pairs(hits: pd.DataFrame, tree: trees.TreeArrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Taxon, identity and tree distance to the taxon's first best hit, of every other hit."""
    tips = pd.Index(tree.tips)
    ordered = hits.sort_values(["taxon", "identity", "reference"], ascending=[True, False, True])
    first = ordered.groupby("taxon")["reference"].transform("first")
    other = ordered["reference"] != first
    ends = tips.get_indexer(first[other]), tips.get_indexer(ordered.loc[other, "reference"])
    distance = parsimony.path_lengths(tree, *ends)
    return ordered.loc[other, "taxon"].to_numpy(dtype=str), ordered.loc[other, "identity"].to_numpy(), distance


def _averaging(best: pd.DataFrame, taxa: list[str], references: list[str] | None = None) -> scipy.sparse.csr_matrix:
    """Matrix [taxa, references or hits] whose product with profiles is the mean over each taxon's nearest hits."""
    row = pd.Index(taxa).get_indexer(best["taxon"])
    column = np.arange(len(best)) if references is None else pd.Index(references).get_indexer(best["reference"])
    share = 1 / np.bincount(row, minlength=len(taxa))
    return scipy.sparse.csr_matrix((share[row], (row, column)), (len(taxa), len(references or best)))


def _all_in(names: pd.Series, known: pd.Index | list[str], what: str) -> None:
    """Raise InputError when references that were hit have no row or tip."""
    lacking = sorted(set(names) - set(known))
    if lacking:
        raise InputError(f"{len(lacking)} reference sequences have no {what}: {examples(lacking)}")
