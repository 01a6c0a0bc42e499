"""Options of the embedding, and which of them go together."""

from dataclasses import dataclass

from taxoscape.errors import InputError

# geoopt 0.5.1 gives no larger distance than 16.8 between ball coordinates in float64: points at the two ends of a
# tree's longest path must lie within half of it from the centre.
LARGEST_BALL_RADIUS = 8.4


@dataclass(frozen=True)
class EmbeddingOptions:
    """Config section `embedding`."""

    dim: int  # of the ball
    loss: str  # relative (stress of path lengths between tips) | edges (of branches; path lengths are not kept)
    optimizer: str  # lbfgs (polar coordinates) | radam (geoopt's RiemannianAdam on ball coordinates)
    radius: float  # hyperbolic distance from the centre to the deepest tip; unused by loss edges
    iterations: int  # of lbfgs at most; all steps of radam
    pairs_up_to: int  # tips; above it tree-stratified pairs
    partners: int  # stratified pairs per tip and ancestor, as many again for every doubling of the tips there
    min_pearson: float  # correlation of leaf-pair distances below which the embedding is refused


def check_embedding(options: EmbeddingOptions) -> None:
    """Raise InputError for a loss and an optimizer, or an optimizer and a radius, that do not go together."""
    if options.loss == "edges" and options.optimizer != "radam":
        raise InputError(
            f"embedding.loss=edges is minimized by radam only, not by embedding.optimizer={options.optimizer}: "
            "set embedding.optimizer: radam, or embedding.loss: relative"
        )
    if options.loss == "relative" and options.optimizer == "radam" and options.radius > LARGEST_BALL_RADIUS:
        raise InputError(
            f"embedding.radius={options.radius:g} does not go with embedding.optimizer=radam, whose ball coordinates "
            f"tell points apart up to radius {LARGEST_BALL_RADIUS:g}: lower embedding.radius, or set "
            "embedding.optimizer: lbfgs"
        )
