"""The attention model: distinct ASVs encoded once against every one, a frozen base, UniFrac of a batch, memory.

The study is IBD-2538 where TAXOSCAPE_DATA has it, and simulated where not; the notes say which.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
import yaml
from skbio.diversity import beta_diversity

from bench.unifrac import random_tree
from taxoscape import tables, trees
from taxoscape.aam import data, finetune, predict, pretext, pretrain
from taxoscape.aam.data import Batch, Study
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options
from taxoscape.aam.tokens import PAD
from taxoscape.learning.batches import counts_of
from taxoscape.learning.target import Target

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("TAXOSCAPE_DATA", ROOT.parent / "shared" / "data")) / "ibd_2538"
OPTIONS = Options(**yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["aam"])
DEPTH = 5000  # reads drawn per sample
SIZES = (8, 32, 64)  # samples of a batch
STEP = 32  # samples of the batch that is timed
SAMPLES, BRANCHES = 64, 10_000  # of the UniFrac batch
LENGTHS = 100, 400  # letters of sequences that differ in length
REPEATS = 3
SAME = 1e-5  # largest difference between the sample embeddings of both sides
SIMULATED = {"taxa": 2000, "samples": 64, "present": 150}
LONG = 512  # sequences that differ in length
SMOKE = {
    "FOLDER": Path("not available"),
    "OPTIONS": replace(OPTIONS, max_bp=20, embedding_dim=8, attention_heads=2, attention_layers=1, clades=8),
    "SIMULATED": {"taxa": 30, "samples": 8, "present": 10},
    "DEPTH": 100,
    "SIZES": (2, 4),
    "STEP": 4,
    "SAMPLES": 4,
    "BRANCHES": 40,
    "LENGTHS": (10, 20),
    "LONG": 6,
    "REPEATS": 1,
}


def rows() -> list[dict]:
    """Sequences and seconds, both sides in the same run, one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    study, name = open_study()
    model = pretrain.start(study, np.arange(len(study.samples)), SCALES, OPTIONS, (0,))
    drawn = data.rarefy(study.counts, study.depth, (0, 0))
    order = np.random.default_rng(0).permutation(len(study.samples))
    batches = {size: data.make_batch(drawn, order[:size], OPTIONS.token_limit) for size in SIZES}
    found = [sequences(batch, size, name) for size, batch in batches.items()]
    found += whole_step(model, study, batches[STEP], name)
    found += [frozen_step(study, batches[STEP], name, patch) for patch in (OPTIONS.patch, 1)]
    return [*found, by_length(), unifrac_batch(), memory(model, study, name)]


SCALES = pretext.Scales((0.5, 0.5), (0.0, 1.0))


def open_study() -> tuple[Study, str]:
    """Samples of IBD-2538 with DEPTH reads, or simulated ones; what they are, in words."""
    if not FOLDER.is_dir():
        return simulated(**SIMULATED), "simulated samples"
    table = tables.read_table(FOLDER / "table.biom")
    samples, features = table.ids()[table.sum(axis="sample") >= DEPTH], table.ids("observation")
    known, tree = {name: name for name in features}, trees.read_tree(FOLDER / "tree.nwk")
    return data.make_study(samples, features, counts_of(table, samples), known, tree, DEPTH, OPTIONS), "IBD-2538"


def simulated(taxa: int, samples: int, present: int) -> Study:
    """Random sequences, few common and many rare, on a random tree."""
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.integers(1, 5, (taxa, 1 + OPTIONS.max_bp)))
    tokens[:, 0] = 5
    prevalence = np.clip(rng.pareto(0.8, taxa), 0, 20)
    prevalence = np.minimum(0.9, prevalence / prevalence.sum() * present)
    counts = (rng.random((samples, taxa)) < prevalence) * rng.integers(1, 99, taxa)
    names = np.array([f"t{number}" for number in range(taxa)])
    above = data.above(trees.tree_arrays(random_tree(taxa, rng)), names)
    ids = np.array([f"s{number}" for number in range(samples)])
    return Study(ids, names, scipy.sparse.csr_matrix(counts), tokens, *above, DEPTH)


def sequences(batch: Batch, size: int, name: str) -> dict:
    """Sequences that a batch encodes: distinct ones, and every one that is present."""
    few, many = len(batch.unique), int(batch.present.sum())
    padded = batch.present.numel()
    note = f"{name}, {DEPTH:,} reads a sample; {padded / few:.1f} times fewer than padded rows"
    return row(f"aam, ASVs encoded of {size} samples", few, many, "sequences", note)


def whole_step(model: Encoder, study: Study, batch: Batch, name: str) -> list[dict]:
    """A forward and backward pass through all distances of a batch, each distinct ASV encoded once or every time."""
    with torch.no_grad():
        apart = (z_unique(model, study, batch) - z_naive(model, study, batch)).abs().max().item()
    assert apart < SAME, apart
    ours = seconds(lambda: step(model, z_unique(model, study, batch)))
    other = seconds(lambda: step(model, z_naive(model, study, batch)), 1)
    note = f"{name}; sample embeddings differ by {apart:.1e}"
    return [row(f"aam, step of {STEP} samples against every ASV of every sample", ours, other, "s", note)]


def z_unique(model: Encoder, study: Study, batch: Batch) -> torch.Tensor:
    """Sample embeddings, each distinct ASV encoded once."""
    return model.embed(model.read(study.tokens[batch.unique])[batch.gather], batch.abundance, batch.present)


def z_naive(model: Encoder, study: Study, batch: Batch) -> torch.Tensor:
    """Sample embeddings, every ASV of every sample encoded."""
    every = study.tokens[batch.unique[batch.gather[batch.present]]]
    encoded = torch.cat([model.read(part) for part in every.split(2048)])
    asvs = torch.zeros(*batch.gather.shape, encoded.shape[1])
    asvs[batch.present] = encoded
    return model.embed(asvs, batch.abundance, batch.present)


def step(model: Encoder, z: torch.Tensor) -> None:
    """Backward pass of the mean distance."""
    model.unifrac(z).mean().backward()
    model.zero_grad(set_to_none=True)


def frozen_step(study: Study, batch: Batch, name: str, patch: int) -> dict:
    """A step of fine-tuning with ASV embeddings computed before, compared with one that trains their encoder, too."""
    model = pretrain.make_encoder(replace(OPTIONS, patch=patch))
    target, times = Target("x", (), 0.0, 1.0), []
    for frozen in (True, False):
        options = replace(OPTIONS, freeze_base=frozen, patch=patch)
        predictor = finetune.make_predictor(model, study, np.arange(len(study.samples)), target, options)
        asvs = pretext.embed_taxa(model, study)[:, : model.dim] if frozen else None

        def one(predictor=predictor, asvs=asvs) -> None:
            predict.outputs_of(predictor, study, batch, asvs).square().mean().backward()
            predictor.zero_grad(set_to_none=True)

        times.append(seconds(one))
    return row(
        f"aam, step of fine-tuning with a frozen base, {STEP} samples", *times, "s", f"{name}; other: not frozen"
    )


def by_length() -> dict:
    """Sequences of different lengths: forward and backward pass among their like, and all as long as the longest."""
    rng, model = np.random.default_rng(0), pretrain.make_encoder(replace(OPTIONS, max_bp=LENGTHS[1])).nucleotide
    tokens = torch.from_numpy(rng.integers(1, 5, (LONG, 1 + LENGTHS[1])))
    tokens[:, 1:][torch.arange(LENGTHS[1])[None] >= torch.from_numpy(rng.integers(*LENGTHS, LONG))[:, None]] = PAD

    def one(encode: Callable) -> None:
        encode(tokens).square().mean().backward()
        model.zero_grad(set_to_none=True)

    ours, other = seconds(lambda: one(model.embed)), seconds(lambda: one(lambda read: model(read)[0]))
    note = f"{LONG} random sequences of {LENGTHS[0]} to {LENGTHS[1]} letters; other: padded"
    return row("aam, sequences encoded by length", ours, other, "s", note)


def unifrac_batch() -> dict:
    """Unweighted UniFrac of a batch as a matrix product, beside scikit-bio."""
    rng = np.random.default_rng(0)
    tips = BRANCHES // 2
    tree = random_tree(tips, rng)
    arrays = trees.tree_arrays(tree)
    counts = rng.negative_binomial(0.1, 0.02, size=(SAMPLES, tips))
    names = np.array(arrays.tips)
    ancestors, lengths = data.above(arrays, names)
    batch = data.make_batch(scipy.sparse.csr_matrix(counts), np.arange(SAMPLES), tips)
    own = data.branches(batch, ancestors)
    ours = seconds(lambda: data.distances(own, own, lengths))
    whole = seconds(lambda: data.unifrac(batch, ancestors, lengths))
    kept = {}

    def theirs() -> None:
        kept["d"] = beta_diversity("unweighted_unifrac", counts, taxa=arrays.tips, tree=tree, validate=False).data

    other = seconds(theirs, 1)
    apart = np.abs(data.distances(own, own, lengths).numpy() - kept["d"]).max()
    note = (
        f"scikit-bio; {len(lengths):,} branches, float32, largest difference {apart:.0e}; with the branches of each "
        f"sample found anew {whole * 1000:.0f} ms"
    )
    return row(f"aam, UniFrac of a batch of {SAMPLES} samples", ours, other, "s", note)


def memory(model: Encoder, study: Study, name: str) -> dict:
    """Kilobytes that the forward pass of one sequence keeps for the backward pass, whole and in chunks."""
    part, kept = study.tokens[:256], []
    for chunk in (64, 0):
        bytes_of: dict[int, int] = {}

        def remember(tensor: torch.Tensor, bytes_of=bytes_of) -> torch.Tensor:
            bytes_of[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
            model.nucleotide.embed(part, chunk)
        kept.append(sum(bytes_of.values()) / len(part) / 1024)
    note = f"{name}, {study.tokens.shape[1] - 1} nucleotides; ours: asv_chunk_size 64, other: all at once; with weights"
    return row("aam, memory kept per sequence", *kept, "kB", note)


def seconds(work: Callable[[], None], repeats: int | None = None) -> float:
    """Median of REPEATS runs, or of as many as are named."""
    times = []
    for _ in range(repeats or REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def row(name: str, ours: float, other: float, unit: str, note: str) -> dict:
    return {
        "name": name,
        "ours": ours,
        "other": other,
        "ratio": other / ours,
        "unit": unit,
        "note": f"{note}; 1 thread",
    }
