"""Sections about the landscape: the tree in hyperbolic space, the map of taxa, the images and their way back."""

from pathlib import Path

import pandas as pd

from taxoscape import tables
from taxoscape.files import read_json
from taxoscape.report.cells import count, percent
from taxoscape.report.parts import Check, Section, Table, stored

PREVIEWS = ["taxa", "samples", "channels", "difference", "noise"]
# Rules of thumb, as are 0 shared pixels and that the hyperbolic embedding is the better one: they stop nothing.
KEPT, LEAST = 0.9, 0.5  # of a sample's reads that stand on the landscape: in the median, and at least
INVERSE = 1e-4  # L1 distance between compositions that counts as the same
EMBEDDING = {
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "mean_error": "mean error, as a share of the mean distance",
    "mean_relative_error": "mean relative error",
    "within_10": "share of distances within 10 %",
    "within_5": "share of distances within 5 %",
    "worst_ratio": "worst ratio",
    "recall_10nn": "ten nearest neighbours kept, share",
    "depth_radius": "correlation of depth with radius",
}
EMBEDDED = {
    "relative": "so that distances between them equal distances along the tree",
    "edges": "by the lengths of its branches alone, a loss that does not aim at distances between tips",
}


def embedding(files: dict, config: dict) -> Section:
    """How well hyperbolic distances reproduce the tree's, beside a Euclidean embedding."""
    quality = read_json(files["embedding_quality"])
    flat, least = quality["euclidean"], config["embedding"]["min_pearson"]
    error, beside = quality["mean_relative_error"], flat["mean_relative_error"]
    section = Section(
        "embedding",
        "Embedding of the tree",
        f"The tree's {count(quality['tips'], 'tip')} were placed in a {config['embedding']['dim']}-dimensional "
        f"hyperbolic ball {EMBEDDED[quality['loss']]}.",
        [("Came in", f"{count(quality['tips'], 'tip')}."), ("Lost", "None.")],
        [
            Check(
                "Correlation of distances with the tree's",
                f"{quality['pearson']:.5f}",
                f"at least {least:g}, or the run stops (embedding.min_pearson)",
                quality["pearson"] >= least,
            ),
            Check(
                "Mean relative error of distances",
                f"{error:.3g}",
                f"below the Euclidean embedding's, {beside:.3g}",
                error < beside,
            ),
        ],
    )
    section.tables = [
        Table(
            "Distances between tips, embedded against the tree's; the Euclidean embedding of the same dimension beside",
            pd.DataFrame(
                [[label, quality[key], flat[key]] for key, label in EMBEDDING.items()],
                columns=["measure", "hyperbolic", "Euclidean"],
            ),
            folded=True,
        )
    ]
    return section


def landscape(files: dict, config: dict) -> Section:
    """Map of taxa, images of samples, and how exactly they turn back into communities."""
    quality = read_json(files["images_quality"])
    asvs = tables.read_table(files["table"]).shape[0]
    left, size = asvs - quality["taxa"], config["images"]["size"]
    kept, least, worst = quality["reads_kept_median"], quality["reads_kept_least"], quality["inverse_l1_worst"]
    section = Section(
        "images",
        "Landscapes",
        f"Every sample is an image of {size} x {size} pixels and 16 channels, from which the community is computed "
        "back exactly.",
        [
            ("Came in", f"{count(asvs, 'ASV')} of {count(quality['samples'], 'sample')}."),
            (
                "Left out",
                f"{count(left, 'ASV')} that stand in fewer than {config['layout']['prevalence']:.0%} of the training "
                f"samples (layout.prevalence), with {percent(1 - kept)} of the reads of the median sample.",
            ),
        ],
        [
            Check("Reads on the landscape, median sample", percent(kept), f"at least {KEPT:.0%}", kept >= KEPT),
            Check("The same, sample with fewest", percent(least), f"at least {LEAST:.0%}", least >= LEAST),
            Check("Taxa that share a pixel", f"{quality['shared_pixels']:,}", "0", quality["shared_pixels"] == 0),
            Check("Error of the way back, worst sample", f"{worst:.1e}", f"below {INVERSE:g}", worst < INVERSE),
            Check("Condition number of the way back", f"{quality['condition_number']:.3g}", "none; 1 is ideal", None),
        ],
    )
    section.links = [("../images/gallery.html", "Gallery: every sample, time courses and groups to explore")]
    previews = {Path(path).stem: path for path in files["previews"]}
    if read_json(files["functions_quality"])["method"] == "none":
        del previews["channels"]
    section.figures = [stored(previews[name], name) for name in PREVIEWS[:2]]
    section.folded = [stored(previews[name], name) for name in PREVIEWS[2:] if name in previews]
    return section
