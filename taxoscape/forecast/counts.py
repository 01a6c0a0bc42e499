"""Draws as counts: a table of samples that could be what is sequenced next, each with what it is a forecast of."""

import numpy as np
import pandas as pd

from taxoscape.compositions import clr_inverse
from taxoscape.forecast.courses import PSEUDOCOUNT
from taxoscape.forecast.paths import Forecasts
from taxoscape.learning.counts import to_counts


def drawn_counts(forecasts: Forecasts, depth: int, kept: int, seen: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts [R kept, D] of the first `kept` draws of every forecast, which sum to `depth`, and their description.

    Half a read was added to every count before the logarithm, so that amounts below 1 are zeros. `seen` [R, D]: taxa
    that the forecaster of the subject knows from training; others stay zero.
    """
    drawn = forecasts.drawn[:, :kept]
    number, draws, taxa = drawn.shape
    amounts = clr_inverse(drawn) * (depth + PSEUDOCOUNT * taxa)
    counts = [to_counts(part, depth, known) for part, known in zip(amounts, seen, strict=True)]
    about = forecasts.index.loc[forecasts.index.index.repeat(draws)].reset_index(drop=True)
    about["draw"] = np.tile(np.arange(1, draws + 1), number)
    width = len(str(len(about)))
    about.insert(0, "sample", [f"forecast{row:0{width}d}" for row in range(1, len(about) + 1)])
    return np.concatenate(counts), about
