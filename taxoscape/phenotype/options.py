"""Options of the stage, one field per key of the config section `phenotype`; config/config.yaml holds the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass

from taxoscape.errors import InputError


@dataclass(frozen=True)
class Options:
    """What the model is, how it is trained and how it is judged."""

    enabled: bool
    joint: bool  # one model for all regression targets
    fields: bool  # metadata fields other than the targets are tokens, too
    threads: int
    processes: int  # that train one model together
    device: str  # cpu | cuda
    prevalence: float  # 0-1, share of the training samples that have a taxon which is read by itself
    token_limit: int  # taxa read per sample, the most abundant first
    width: int  # a multiple of 4, the attention heads
    graph_layers: int  # rounds of messages between relatives and between taxa and channels
    layers: int  # of self-attention among the tokens of a sample
    blocks: int  # of the denoiser
    dropout: float  # 0-1, of activations
    asv_dropout: float  # 0-1, of a sample's taxa in a training step
    members: int  # models per fold, each stopped on other groups
    steps: int  # optimizer steps at most
    batch_size: int  # samples
    noise_draws: int  # noise levels of each sample in a step
    lr: float
    weight_decay: float
    ema: float  # decay of the averaged weights
    patience: int  # rounds of training.ROUND steps
    train_timesteps: int
    sample_steps: int  # of DDIM
    draws: int  # values drawn for each sample
    rarefactions: int  # draws of reads that they are spread over
    trees: int  # of the forests
    bootstraps: int  # group-bootstrap draws


def regressions(targets: Mapping[str, str]) -> list[str]:
    """Names of the targets that are numbers."""
    return [name for name, kind in targets.items() if kind == "regression"]


def check_phenotype(config: Mapping) -> None:
    """Raise InputError for options that do not go together; nothing is checked where the stage does not run."""
    chosen, metadata = config["phenotype"], config["metadata"]
    targets = regressions(metadata["targets"])
    if not (chosen["enabled"] and targets):
        return
    if chosen["draws"] < chosen["rarefactions"]:
        raise InputError(
            f"phenotype.draws={chosen['draws']} cannot be spread over phenotype.rarefactions={chosen['rarefactions']}: "
            "lower the latter"
        )
    if chosen["fields"] and not set(metadata["fields"]) - set(targets):
        raise InputError(
            "phenotype.fields is true, but metadata.fields names nothing besides the targets "
            f"({', '.join(targets)}): add a field, or set phenotype.fields: false"
        )
