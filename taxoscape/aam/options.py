"""Options of the stage, one field per key of the config section `aam`; config/config.yaml holds the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass

from taxoscape import inputs
from taxoscape.errors import InputError

# What of the validation samples may choose the epoch, by the kind of the target; main is mae or accuracy.
METRICS = {
    "regression": ("loss", "main", "mae", "mse", "r2"),
    "classification": ("loss", "main", "accuracy", "precision", "recall", "f1"),
}


@dataclass(frozen=True)
class Options:
    """What the models are, how they are trained and how they are judged."""

    enabled: bool
    threads: int  # CPU threads of one training job
    processes: int  # that train one model together
    max_bp: int  # bases read of each ASV
    patch: int  # nucleotides that make one token of the nucleotide encoder
    token_limit: int  # ASVs read per sample, the most abundant first
    embedding_dim: int
    attention_heads: int
    attention_layers: int
    clades: int  # soft clades by which samples are compared; 0 = by a sample encoder
    batch_size: int  # samples
    encoder: str | None  # file of an encoder pretrained on other samples, which pretraining goes on from
    pretrain_epochs: int  # 0 = none
    pretrain_steps: int  # at least; epochs of a small study read it several times
    epochs: int  # of fine-tuning
    patience: int  # epochs without improvement on the validation samples
    validation: float  # share of the training groups that stops the pretraining, 0-1
    members: int  # models per fold, each stopped on other groups
    freeze_base: bool  # ASV embeddings computed once, not trained further
    optimizer: str
    scheduler: str
    lr: float
    weight_decay: float
    warmup: float  # share of the optimizer steps; from 1 on, a number of them
    unifrac_metric: str  # what pretraining predicts of samples: unifrac, weighted, faith_pd, taxonomy or combined
    stripe_mode: bool  # distances to fixed reference samples in place of those within a batch
    reference_samples: int | str  # how many training samples, or a file of their ids
    lazy_unifrac: bool  # distances of each batch's own draw; else of one draw of all, computed at the start
    count_weight: float  # of the loss of hidden abundances in fine-tuning; 0 = none are hidden
    quantiles: list[float]  # of a regression, learned in place of its centre, 0.5 among them; [] = none
    dropout: float  # share hidden in a step: of activations and, in fine-tuning, of each sample's ASVs
    mask: float  # share of nucleotides masked
    masked_asvs: float  # share of a batch's ASVs read a second time, masked
    max_grad_norm: float
    gradient_accumulation_steps: int  # batches whose gradients make one optimizer step
    ema: float  # decay of the averaged weights that are validated and kept, 0-1; 0 = none
    best_metric: str  # what of the validation samples chooses the epoch in fine-tuning
    mixed_precision: str  # none, or bf16 in training steps
    compile_model: bool  # torch.compile
    asv_chunk_size: int  # ASVs encoded at a time, activations recomputed in the backward pass; 0 = all at once
    num_workers: int  # threads that draw and gather batches ahead
    device: str  # cpu or cuda
    class_weights: bool  # weigh classes by their inverse frequency
    prediction_draws: int  # rarefaction draws averaged in a prediction
    interval: float  # coverage asked of the prediction intervals, 0-1
    explained_samples: int  # held-out samples whose ASVs are hidden one by one, per target
    trees: int  # of the forests and extra trees among the baselines
    bootstraps: int  # group-bootstrap draws of the intervals


def options_of(config: Mapping[str, object]) -> Options:
    """Options of a part of the section, for a rule that reads no more; what is not in it is None."""
    return Options(**dict.fromkeys(Options.__dataclass_fields__) | config)


def check_aam(chosen: Mapping[str, object], targets: Mapping[str, str]) -> None:
    """Raise InputError for options that do not go together; `targets`: name -> regression or classification."""
    if chosen["encoder"] and not inputs.is_regular(chosen["encoder"]):
        raise InputError(f"aam.encoder {chosen['encoder']} does not exist: name the encoder.pt of `aam pretrain`")
    dim, heads = chosen["embedding_dim"], chosen["attention_heads"]
    if dim % heads:
        raise InputError(f"aam.embedding_dim={dim} is no multiple of attention_heads={heads}: change one of them")
    if chosen["quantiles"] and 0.5 not in chosen["quantiles"]:
        raise InputError(f"aam.quantiles={chosen['quantiles']} have no 0.5, which is the prediction: add it")
    pairs = chosen["unifrac_metric"] in ("unifrac", "weighted", "combined") and not chosen["stripe_mode"]
    if pairs and chosen["batch_size"] == 1:
        raise InputError("aam.batch_size=1 has no pair of samples to learn a distance from: use stripe_mode, or more")
    for name, kind in targets.items():
        if chosen["best_metric"] not in METRICS[kind]:
            raise InputError(
                f"aam.best_metric={chosen['best_metric']} does not fit target {name}, a {kind}: "
                f"use one of {', '.join(METRICS[kind])}"
            )
