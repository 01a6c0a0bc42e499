"""Gallery: all that the interactive page of landscapes shows, gathered and written as one file that needs no network.

The page holds counts, kernels and profiles rather than pictures, and rasterizes in the browser: the arrays below are
the ones that taxoscape.raster works with, so that its pixels are the images' own.
"""

from pathlib import Path

import jinja2
import numpy as np
import pandas as pd

from taxoscape import images, raster, tables
from taxoscape.basis import Basis
from taxoscape.digest import ROOT
from taxoscape.files import read_json
from taxoscape.palette import COLOURED, Clades, clades_at, names_at
from taxoscape.previews import paint
from taxoscape.previews.contrast import COVERAGE, DRAWS, MOST, Difference, difference, spaced, strongest_contrasts
from taxoscape.previews.courses import mean_courses
from taxoscape.previews.payload import pack, whole_numbers

# What a channel is called and holds; channels of a user's own table keep their names.
LISTED = tables.read_tsv(ROOT / "workflow" / "report" / "gallery" / "channels.tsv", "words of channels")
WORDS = {name: words for name, *words in LISTED.itertuples(index=False, name=None)}
METHODS = {
    "nearest": "the most similar reference genomes",
    "picrust2": "PICRUSt2",
    "table": "a table of gene content that came with the study",
}
# The page is one file: these are written into it in this order.
SCRIPTS = ["data", "raster", "words", "paint", "map", "sample", "course", "groups", "taxon", "point", "page"]
SEEN = 0.98  # share of the channel images' values, at taxa, that the colour scale spans
PROBED = 64  # training images that colour scales are fitted on


def gather(
    basis: Basis,
    stored: dict,
    lineages: list[str],
    design: pd.DataFrame,
    encoding: dict,
    train: np.ndarray,
    most: int,
    clades: Clades,
    seed: int,
) -> tuple[dict, dict]:
    """Content and arrays of the page, the groups apart: taxa, kernels, channels and `most` samples.

    stored: composition.npz; lineages [D]; design: its N rows; train [N] bool; seed: of the intervals of means.
    """
    shares = images.shares(stored["counts"])
    mean = shares[train].mean(axis=0)
    chosen = whole_groups(design["group"], most)
    coloured = [_rank(rank, lineages, clades) for rank in COLOURED]
    members = np.column_stack([np.equal.outer(entry["of"], range(len(entry["clades"]))) for entry in coloured])
    values = stored["values"][train]
    courses, means = mean_courses(shares[train], values, members.astype(float), design[train], encoding, seed)
    content = {
        "size": basis.size,
        "values": basis.values,
        "normalise": basis.normalise,
        "pseudocount": basis.pseudocount,
        "depth": int(stored["depth"]),
        "bandwidth": [float(basis.sigma.min()), float(basis.sigma.max())],
        "taxa": [str(taxon) for taxon in basis.taxa],
        "names": [paint.full_name(lineage) for lineage in lineages],
        "lineages": lineages,
        "ranks": coloured,
        "rank": COLOURED.index(clades.rank),
        "channels": [_channel(str(name)) for name in basis.channel_names],
        "training": int(train.sum()),
        "courses": courses,
        **_samples(design.iloc[chosen], encoding),
    }
    (first_row, rows), (first_column, columns) = map(_strips, raster.factors(basis))
    arrays = {"row": basis.row, "column": basis.col, "rows": rows, "columns": columns, "profiles": basis.channels}
    arrays |= {"value_mean": basis.value_mean, "value_std": basis.value_std}
    arrays |= {"channel_mean": basis.channel_mean, "channel_std": basis.channel_std}
    arrays |= {"limits": channel_limits(stored["values"][train], basis), "mean": mean}
    arrays |= {"prevalence": (stored["counts"][train] > 0).mean(axis=0), "kept": stored["kept"][chosen]}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()} | means
    arrays |= {"first_row": first_row, "first_column": first_column}
    arrays["counts"] = whole_numbers(stored["counts"][chosen])
    return content, arrays


def compare(counts: np.ndarray, basis: Basis, design: pd.DataFrame, encoding: dict, seed: int) -> tuple[dict, dict]:
    """Content and arrays of the groups: means of both (shares) and their differences, over training samples [N, D]."""
    values = images.raw_values(counts, "clr", basis.pseudocount)
    shares = images.shares(counts)
    offered = strongest_contrasts(values, design, encoding["targets"] | encoding["fields"])
    found = [difference(values, groups, design["group"].to_numpy(), seed) for groups in offered[:MOST]]
    content = {
        "groups": [_described(entry) for entry in found],
        "groups_left_out": len(offered) - len(found),
        "draws": DRAWS,
        "coverage": COVERAGE,
        "subject": " and ".join(encoding["group"]).replace("_", " ") or "sample",
    }
    stacked = [
        [shares[entry.groups.first].mean(axis=0), shares[entry.groups.second].mean(axis=0)]
        + [entry.mean, np.nan_to_num(entry.low), np.nan_to_num(entry.high)]
        for entry in found
    ]
    return content, {"differences": np.array(stacked, dtype=np.float32).reshape(len(found), 5, counts.shape[1])}


def page(folder: str | Path, content: dict, arrays: dict, **words: object) -> str:
    """Fill the template in `folder` with style, scripts and packed data; every text is escaped."""
    folder = Path(folder)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((folder / "page.html.j2").read_text())
    css = (folder / "style.css").read_text()
    js = "\n".join((folder / f"{name}.js").read_text() for name in SCRIPTS)
    return template.render(css=css, js=js, data=pack(content, arrays), content=content, **words)


def functions_note(quality: str | Path) -> str:
    """Say where the channels come from; empty where the study has none (functions.method none)."""
    found = read_json(quality)
    if found["method"] == "none":
        return ""
    return (
        f"Gene content was inferred from 16S by {METHODS.get(found['method'], found['method'])}, not measured; "
        f"{found['asvs_imputed']:,} of {found['asvs']:,} ASVs ({found['reads_imputed']:.1%} of the reads) have no "
        "profile of their own and carry the mean one."
    )


def whole_groups(groups: pd.Series, most: int) -> np.ndarray:
    """Positions [n <= most] of the samples shown: all, or those of evenly spaced subjects, each with all its samples.

    Where one subject alone has more than `most`, evenly spaced samples.
    """
    names, sizes = groups.unique(), groups.value_counts(sort=False)
    for count in range(min(len(names), most), 0, -1):
        kept = names[spaced(len(names), count)]
        if sizes[kept].sum() <= most:
            return np.flatnonzero(groups.isin(kept))
    return spaced(len(groups), most)


def channel_limits(values: np.ndarray, basis: Basis) -> np.ndarray:
    """Largest absolute value [C] that each channel's colour scale shows; values [N, D] of training samples."""
    probed = raster.rasterize(values[spaced(len(values), PROBED)], basis)
    at_taxa = raster.standardize(probed, basis)[:, :, basis.row.round().astype(int), basis.col.round().astype(int)]
    limits = np.quantile(np.abs(at_taxa), SEEN, axis=(0, 2))
    return np.where(limits > 0, limits, 1.0)


def _strips(profiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First touched pixel [D] and the stretch [D, L] from there on, of profiles [D, size]."""
    touched = profiles > 0
    first = touched.argmax(axis=1)
    reach = int((profiles.shape[1] - touched[:, ::-1].argmax(axis=1) - first).max())
    padded = np.pad(profiles, [(0, 0), (0, reach)])
    return first.astype(np.uint16), np.take_along_axis(padded, first[:, None] + np.arange(reach), axis=1)


def _rank(rank: str, lineages: list[str], clades: Clades) -> dict:
    """Clade of each taxon at a rank, with the colours of the study; `others`: how many clades `other` holds."""
    clade, colours = clades_at(lineages, clades, rank)
    present = list(colours)
    return {
        "rank": rank,
        "clades": present,
        "colours": list(colours.values()),
        "of": [present.index(name) for name in clade],
        "others": len(set(names_at(lineages, rank)) - {""} - set(present)),
    }


def _channel(name: str) -> dict:
    title, holds = WORDS.get(name, (name.replace("_", " "), ""))
    return {"name": title, "holds": holds}


def _samples(design: pd.DataFrame, encoding: dict) -> dict:
    """Ids, subjects, times and fields of samples as texts; samples of a subject are listed in the order of time."""
    time = encoding["time"] or {"column": None, "unit": None}
    columns = encoding["targets"] | encoding["fields"]
    names = list(design["group"].unique())
    order = np.lexsort([design["time"].fillna(np.inf).to_numpy()])
    subjects: dict[str, list[int]] = {str(name): [] for name in names}
    for place in order:
        subjects[str(design["group"].iloc[place])].append(int(place))
    return {
        "samples": [str(sample) for sample in design.index],
        "subjects": [{"name": name, "samples": places} for name, places in subjects.items()],
        "whens": ["" if np.isnan(value) else f"{value:.4g} {time['unit'] or ''}".strip() for value in design["time"]],
        "fields": [
            {
                "name": name.replace("_", " "),
                "unit": entry.get("unit") or "",
                "values": ["" if pd.isna(value) else _text(value) for value in design[name]],
            }
            for name, entry in columns.items()
            if name != time["column"]
        ],
    }


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _described(entry: Difference) -> dict:
    groups = entry.groups
    return {
        "names": [groups.first_name, groups.second_name],
        "samples": [int(groups.first.sum()), int(groups.second.sum())],
        "subjects": list(entry.subjects),
        "interval": bool(np.isfinite(entry.low).all()),
    }
