"""Which ASVs predictions rest on: how a prediction changes when one of them is hidden.

Occlusion (Zeiler and Fergus 2014, ECCV): the change of an ASV in a sample is the prediction with it minus the one
without it, the other ASVs as they are. The models have learned with ASVs hidden at random, so a sample that lacks one
is nothing strange to them. The changes of the ASVs of a clade add up to the clade's. It says what the model uses, not
what causes what.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from taxoscape.aam import data, pretext
from taxoscape.aam.data import Study
from taxoscape.aam.model import Predictor
from taxoscape.aam.predict import PREDICTION_DRAW, encoded
from taxoscape.aam.saved import TrainedPredictor
from taxoscape.learning.batches import Batch, sample_keys
from taxoscape.palette import names_at

AT_A_TIME = 64  # copies of a sample, each without another ASV, in one forward pass


@torch.no_grad()
def changes(model: Predictor, asvs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Outputs [1 + S, O] of a single sample: its own, and those without each of its S ASVs; asvs [1, S, D]."""
    size = batch.present.shape[1]
    hidden = torch.cat([torch.zeros(1, size, dtype=torch.bool), torch.eye(size, dtype=torch.bool)])
    found = []
    for part in hidden.to(asvs.device).split(AT_A_TIME):
        copies = (len(part), size)
        outputs = model(asvs.expand(*copies, -1), batch.abundance.expand(copies), batch.present & ~part)
        found.append(outputs)
    return torch.cat(found)


def attribute(saved: TrainedPredictor, study: Study, rows: np.ndarray) -> pd.DataFrame:
    """Changes of the ASVs of samples `rows`: sample, taxon, then change, or one column per category.

    Numbers are in the target's unit, categories in probability. Sample i is explained by member i modulo their
    number, from one draw of reads.
    """
    target, options, frames = saved.trained.target, replace(saved.options, batch_size=1), []
    cached = pretext.embed_taxa(saved.base, study)[:, : saved.base.dim] if options.freeze_base else None
    seed = (saved.seed, PREDICTION_DRAW)
    batches = data.drawn_batches(study, rows, options, seed, sample_keys(study.samples[rows]))
    for number, batch in enumerate(batches):
        model = saved.trained.members[number % len(saved.trained.members)]
        outputs = changes(model, encoded(model, study, batch, cached), batch)
        outputs = outputs.softmax(dim=1) if target.categories else outputs[:, [target.centre]] * target.std
        change = (outputs[:1] - outputs[1:])[batch.present[0]].double().cpu().numpy()
        taxa = study.taxa[batch.unique[batch.gather[0]][batch.present[0]].cpu().numpy()]
        frame = pd.DataFrame(change, columns=list(target.categories) or ["change"])
        frame.insert(0, "taxon", taxa)
        frame.insert(0, "sample", study.samples[batch.rows[0]])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def summarise(found: pd.DataFrame) -> pd.DataFrame:
    """Per taxon: samples in which it was hidden, and per output the mean change over all samples that were explained.

    A sample without the taxon counts as no change, so that the means of the taxa of a clade add up to the clade's.
    """
    number = found["sample"].nunique()
    grouped = found.drop(columns="sample").groupby("taxon", sort=True)
    table = grouped.sum() / number
    table.insert(0, "samples", grouped.size())
    return table.reset_index()


def by_clade(table: pd.DataFrame, lineages: pd.Series, rank: str) -> pd.DataFrame:
    """Sums of the mean changes [clades x outputs] of the taxa of each clade at a rank; without a name: unassigned."""
    names = names_at(lineages.reindex(table["taxon"]).fillna(""), rank)
    outputs = table.columns.drop(["taxon", "samples"])
    return table[outputs].groupby([name or "unassigned" for name in names]).sum()
