"""A fold: members, each stopped on groups of its own, the spread calibrated on these groups, draws for any sample.

The training groups are split into as many parts as there are members, stratified by the (first) target; part m stops
member m, and the draws of member m for part m show how far the draws must be stretched about their mean, and how wide a
normal error must be added to them, so that the CRPS is lowest: a network that knows its training samples by heart is
too sure of others. The members draw from the same noise and their draws are averaged (quantile averaging, Lichtendahl
et al. 2013, Management Science 59:1594): a mixture would be wider than any member that was calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtri

from taxoscape.errors import InputError
from taxoscape.learning import checkpoint
from taxoscape.learning.batches import Batch, sample_keys
from taxoscape.learning.loop import Place, Row
from taxoscape.learning.noise import sample
from taxoscape.learning.target import Target
from taxoscape.phenotype import study, training
from taxoscape.phenotype.network import Network
from taxoscape.phenotype.options import Options
from taxoscape.phenotype.study import Study
from taxoscape.phenotype.training import Samples
from taxoscape.scoring import distributions as scores
from taxoscape.taxa import Sources, Taxa, gather

# Stretches of the spread that are tried, and standard deviations of the added error in those of the target.
STRETCHES = np.geomspace(0.25, 4.0, 9)
ERRORS = np.linspace(0.0, 1.0, 11)
# Estimates of x_0 stay within this many times the largest standardised training value.
MARGIN = 1.2
# Streams of the draws of predictions and of the errors added to them; no round of training reaches them.
PREDICTION = 2 * 10**6
ERROR = PREDICTION + 10**6
# Samples drawn for at a time.
BATCH = 64


@dataclass(frozen=True)
class PhenotypeModel:
    """What a fold has learned, as it is stored."""

    options: Options
    targets: list[Target]
    kept: list[str]  # taxa read one by one
    taxa: Taxa
    fields: list[str]  # metadata fields that it reads
    categories: list[int]  # of the fields: number of categories, 0 = continuous
    learned: list[str]  # samples that it was trained on
    members: list[dict[str, torch.Tensor]]  # weights
    stretch: np.ndarray  # [D] of draws about their mean
    error: np.ndarray  # [D] standard deviation of what is added to draws, in those of the targets
    bound: float  # of standardised estimates

    def networks(self) -> list[Network]:
        """The members' networks, on the CPU."""
        sizes = len(self.targets), replace(self.options, device="cpu")
        found = [training.make_network(self.taxa, self.categories, *sizes) for _ in self.members]
        for network, weights in zip(found, self.members, strict=True):
            network.load_state_dict(weights)
        return found


def read_model(path: str | Path) -> PhenotypeModel:
    """Read the model of a fold; InputError for another kind of file."""
    return checkpoint.load(path, PhenotypeModel, "give a results/phenotype/TARGET/foldN/model.pt of this version")


def train_fold(
    data: Study, sources: Sources, fold: int, options: Options, seed: int, place: Place = Place()
) -> tuple[PhenotypeModel, list[list[Row]]]:
    """Train and calibrate the members of a fold -> the model, the rounds of each member's training.

    Raises InputError where no group can be held out.
    """
    train = data.known(fold)
    part = data.tasks[0].parts(train, options.members, (seed, fold))
    if part.max() < 0:
        raise InputError(
            f"metadata.targets.{data.tasks[0].name}: the {len(train)} training samples of fold {fold} are one group, "
            "so none can be held out to stop the training: set metadata.group: [] or phenotype.enabled: false"
        )
    kept = study.common_taxa(data, train, options.prevalence)
    taxa, targets = gather(sources, data.taxa[kept]), study.scales(data, train)
    samples, categories = make_samples(data, kept, targets), list(data.fields.values())
    bound = MARGIN * float(samples.phenotypes[train].abs().max())
    members, histories, held_rows, held_draws = [], [], [], []
    for member in range(min(options.members, part.max() + 1)):
        rows = train[part != member], train[part == member]
        own = place.of(f"member{member}")
        network, history = training.train(samples, taxa, rows, categories, options, (seed, fold, member), own)
        members.append(network.cpu().state_dict())
        histories.append(history)
        held_rows.append(rows[1])
        held_draws.append(draw([network], samples, rows[1], bound, options, seed))
    rows = np.concatenate(held_rows)
    spread = fit_spread(samples.phenotypes[rows].numpy(), np.concatenate(held_draws), samples.keys[rows], seed)
    own = data.taxa[kept].tolist(), taxa, list(data.fields), categories, data.samples[train].tolist()
    return PhenotypeModel(options, targets, *own, members, *spread, bound), histories


def make_samples(data: Study, kept: np.ndarray, targets: Sequence[Target]) -> Samples:
    """The study's samples in the taxa and scales of a fold."""
    return Samples(
        counts=study.of_taxa(data, kept),
        depth=data.depth,
        phenotypes=study.encoded(data, targets),
        values=torch.tensor(data.values).float(),
        missing=torch.tensor(data.missing),
        keys=sample_keys(data.samples),
    )


def fit_spread(truth: np.ndarray, draws: np.ndarray, keys: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stretch [D] and added error [D] of draws [n, M, D] with the lowest CRPS for truths [n, D]."""
    tried = list(product(STRETCHES, ERRORS))
    centre, apart, error = parts(draws, keys, seed)
    found = []
    for d in range(truth.shape[1]):
        score = [
            scores.crps(truth[:, d], (centre + stretch * apart + size * error)[..., d]).mean()
            for stretch, size in tried
        ]
        found.append(tried[int(np.argmin(score))])
    stretch, error = np.array(found).T
    return stretch, error


def parts(draws: np.ndarray, keys: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [n, 1, D] of draws [n, M, D], what is apart from it, and standard normal errors [n, M, D] of the samples."""
    centre = draws.mean(axis=1, keepdims=True)
    errors = [stratified_normal(*draws.shape[1:], (seed, ERROR, key)) for key in keys]
    return centre, draws - centre, np.stack(errors)


def predict(trained: PhenotypeModel, data: Study, rows: np.ndarray, options: Options, seed: int) -> np.ndarray:
    """Draws [n, M, D] for samples `rows`, calibrated, in the units of the targets."""
    kept = pd.Index(data.taxa).get_indexer(trained.kept)
    samples = make_samples(data, kept, trained.targets)
    drawn = draw(trained.networks(), samples, rows, trained.bound, options, seed)
    centre, apart, error = parts(drawn, samples.keys[rows], seed)
    drawn = centre + trained.stretch * apart + trained.error * error
    return drawn * [target.std for target in trained.targets] + [target.mean for target in trained.targets]


@torch.no_grad()
def draw(
    members: Sequence[Network], samples: Samples, rows: np.ndarray, bound: float, options: Options, seed: int
) -> np.ndarray:
    """Draws [n, M, D] of standardised phenotypes for samples `rows`, averaged over the members.

    The draws are spread over options.rarefactions draws of a sample's reads.
    """
    found = np.zeros((len(rows), options.draws, samples.phenotypes.shape[1]))
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        keys = samples.keys[rows[part]]
        noise = np.stack([stratified_normal(*found.shape[1:], (seed, PREDICTION, key)) for key in keys])
        for number in range(options.rarefactions):
            batch = training.read(samples, rows[part], options, (seed, PREDICTION + number))
            own = noise[:, number :: options.rarefactions]
            drawn = [_denoised(network, samples, batch, own, bound, options) for network in members]
            found[part, number :: options.rarefactions] = np.mean(drawn, axis=0)
    return found


def stratified_normal(draws: int, dims: int, seed: tuple[int, ...]) -> np.ndarray:
    """Standard normal values [M, D], in each dimension one from every M-th part of the probability, in random order."""
    rng = np.random.default_rng(seed)
    place = np.stack([rng.permutation(draws) for _ in range(dims)], axis=1)
    return ndtri((place + rng.uniform(size=(draws, dims))) / draws)


def _denoised(
    network: Network, samples: Samples, batch: Batch, noise: np.ndarray, bound: float, options: Options
) -> np.ndarray:
    """Values [B, K, D] that a member makes of noise [B, K, D] for a batch."""
    tokens, present = training.tokens_of(network.eval().to(options.device), samples, batch)
    shape = noise.shape

    def denoise(noisy: torch.Tensor, signal: torch.Tensor, level: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        times = signal.view(shape[:2]), level.view(shape[:2])
        return network.denoiser(noisy.view(shape), *times, tokens, present).flatten(0, 1)

    none = torch.zeros(shape[0] * shape[1], 0, device=network.device)  # conditions are in the tokens
    return (
        sample(
            denoise,
            torch.tensor(noise).float().flatten(0, 1).to(network.device),
            none,
            none > 0,
            training.schedule(options),
            sampler="ddim",
            steps=options.sample_steps,
            guidance=1.0,
            bound=bound,
        )
        .view(shape)
        .cpu()
        .double()
        .numpy()
    )
