"""What the jobs of this stage read: the comparisons that the metadata allow, and distances with their samples."""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import metadata
from taxoscape.diversity.compare import Comparison, comparisons
from taxoscape.files import read_json, read_npz, write_npz


def read_comparisons(design: str | Path, encoding: str | Path, config: dict) -> tuple[pd.DataFrame, list[Comparison]]:
    """Design (index sample) and its comparisons by diversity.fields."""
    frame = metadata.read_design(design)
    learned = read_json(encoding)
    return frame, comparisons(frame, learned, config["fields"], config["min_group"])


def write_distances(distances: np.ndarray, samples: list[str], why_not: str, path: str | Path) -> None:
    """Write distances [N, N] with the ids of their samples; or none, and why."""
    write_npz(path, distances=distances, samples=np.array(samples, dtype=str), why_not=np.array(why_not))


def read_distances(path: str | Path) -> tuple[np.ndarray, list[str], str]:
    """Read distances [N, N], their samples, and why there are none (empty where there are)."""
    distances, samples, why_not = read_npz(path, ["distances", "samples", "why_not"]).values()
    return distances, list(samples), str(why_not)


def read_ordinations(metrics: list[str], places: list[str], explained: list[str]) -> dict[str, tuple]:
    """Metric -> principal coordinates of its samples, and what each axis explains."""
    # A sample may be called NaN.
    asked = {"sep": "\t", "dtype": {"sample": str}, "keep_default_na": False, "na_values": [""]}
    frames = [[pd.read_csv(path, **asked) for path in paths] for paths in (places, explained)]
    return dict(zip(metrics, zip(*frames, strict=True), strict=True))


def read_tests(path: str | Path) -> pd.DataFrame:
    """Read a table of tests; names stay text, whatever they look like."""
    return pd.read_csv(path, sep="\t", dtype={"field": str, "metric": str}, keep_default_na=False, na_values=[""])


def of_design(paths: list[str], design: pd.DataFrame) -> tuple[dict[str, np.ndarray], str]:
    """Metric -> distances between the samples of a design, in its order; and why there are none."""
    found, why = {}, ""
    for path in paths:
        matrix, samples, why = read_distances(path)
        place = pd.Index(samples).get_indexer(design.index) if not why else []
        found[Path(path).stem] = matrix[np.ix_(place, place)]
    return found, why
