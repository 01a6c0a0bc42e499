"""Every distinct ASV of a batch encoded once against every ASV of every sample: training steps and sequences."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
import yaml

from taxoscape.aam import data, pretrain
from taxoscape.aam.data import Batch
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options

SAMPLES, TAXA, PRESENT = 32, 800, 60  # a batch; ASVs of the study; ASVs of a sample
REPEATS = 3


def rows() -> list[dict]:
    """Rows for results/bench.tsv: seconds and sequences of a forward and backward pass, ours (unique) and naive."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = yaml.safe_load((Path(__file__).parents[1] / "config" / "config.yaml").read_text())["aam"]
    options = Options(**config)
    tokens, counts = simulated(options.max_bp)
    batch = data.make_batch(counts, np.arange(SAMPLES), options.token_limit)
    model = pretrain.make_encoder(options).eval()
    difference = (z_unique(model, tokens, batch) - z_naive(model, tokens, batch)).abs().max().item()
    assert difference < 1e-5, difference
    ours, other = (seconds(lambda side=side: step(model, side(model, tokens, batch))) for side in (z_unique, z_naive))
    few, many = len(batch.unique), int(batch.present.sum())
    note = f"{SAMPLES} simulated samples of about {PRESENT} ASVs, one thread; outputs differ by {difference:.1e}"
    return [
        {"name": "aam step", "ours": ours, "other": other, "ratio": other / ours, "unit": "s", "note": note},
        {
            "name": "aam ASVs encoded",
            "ours": few,
            "other": many,
            "ratio": many / few,
            "unit": "sequences",
            "note": note,
        },
    ]


def simulated(max_bp: int) -> tuple[torch.Tensor, scipy.sparse.csr_matrix]:
    """Random sequences [TAXA, 1 + max_bp] and counts [SAMPLES, TAXA] in which few ASVs are common, many rare."""
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.integers(1, 5, (TAXA, 1 + max_bp)))
    tokens[:, 0] = 5
    prevalence = np.clip(rng.pareto(0.8, TAXA), 0, 20)
    prevalence = np.minimum(0.9, prevalence / prevalence.sum() * PRESENT)
    return tokens, scipy.sparse.csr_matrix((rng.random((SAMPLES, TAXA)) < prevalence) * rng.integers(1, 99, TAXA))


def z_unique(model: Encoder, tokens: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Sample embeddings, each distinct ASV encoded once."""
    return model.embed(model.read(tokens[batch.unique])[batch.gather], batch.abundance, batch.present)


def z_naive(model: Encoder, tokens: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Sample embeddings, every ASV of every sample encoded."""
    encoded = model.read(tokens[batch.unique[batch.gather[batch.present]]])
    asvs = torch.zeros(*batch.gather.shape, encoded.shape[1])
    asvs[batch.present] = encoded
    return model.embed(asvs, batch.abundance, batch.present)


def step(model: Encoder, z: torch.Tensor) -> None:
    """Backward pass of the mean distance."""
    model.unifrac(z).mean().backward()
    model.zero_grad(set_to_none=True)


def seconds(work: Callable[[], None]) -> float:
    """Shortest of a few runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
