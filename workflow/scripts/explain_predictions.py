"""Explain: the models of all folds and the samples they predicted -> what hiding each ASV changes, on the landscape."""

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.aam import attribution, data, figures, saved
from taxoscape.files import read_json, write_tsv
from taxoscape.job import logged
from taxoscape.learning import device

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    lineages, positions = tables.read_taxonomy(given.taxonomy), tables.read_tsv(given.positions, "positions")
    place = {"device": device.here(params.config["device"], "aam.device"), "threads": params.config["threads"]}
    results, found = [saved.load(path, **place) for path in given.models], []
    device.settle(results[0].options.device, results[0].options.threads, "aam.device")
    study = data.read_study(given.table, given.sequences, given.tree, given.rarefied, results[0].options)
    share = -(-params.config["explained_samples"] // len(results))
    for fold, result in enumerate(results):
        held = np.flatnonzero(np.isin(study.samples, result.held))
        rows = np.random.default_rng((params.seed, fold)).permutation(held)[:share]
        if len(rows):
            found.append(attribution.attribute(result, study, np.sort(rows)))
    found = pd.concat(found, ignore_index=True)
    table = attribution.summarise(found)
    print(f"explained {found['sample'].nunique()} samples of {len(results)} folds, {len(table)} ASVs")
    target = results[0].trained.target
    unit = "probability" if target.categories else read_json(given.encoding)["targets"][target.name].get("unit") or ""
    write_tsv(table.assign(lineage=lineages.reindex(table["taxon"]).fillna("").to_numpy()), wanted.table)
    figures.draw_attribution(table, lineages, positions, target.name, unit, wanted.figure)
