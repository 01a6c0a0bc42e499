"""The page as a whole: which sections this study has, what stands on top, and the record at the end."""

from pathlib import Path

import yaml

import taxoscape
from taxoscape import metadata, tables
from taxoscape.report import community, generated, learned, measured, methods, predicted, sequences, trajectories
from taxoscape.report.cells import count, listed
from taxoscape.report.downloads import downloads
from taxoscape.report.parts import page
from taxoscape.report.words import WORDS, anchor, explained

# Section and the file without which the study has no such section, in the order of the chain.
SECTIONS = [
    (sequences.reads, "track"),
    (sequences.selection, "depth"),
    (measured.taxonomy, "taxonomy"),
    (measured.phylogeny, "tree_quality"),
    (measured.functions, "channels"),
    (measured.hosts, "design"),
    (learned.embedding, "embedding_quality"),
    (learned.landscape, "images_quality"),
    (community.diversity, "permanova"),
    (predicted.predictions, "metrics"),
    (predicted.phenotype, "phenotype"),
    (generated.generation, "generation"),
    (trajectories.forecasts, "design"),
    (methods.methods, "versions"),
]


def compose(files: dict, config: dict, folder: str | Path, simulated: bool) -> str:
    """Write the page from the files of the stages (name -> path, or name -> {target: path})."""
    sections = [make(files, config) for make, needed in SECTIONS if files.get(needed)]
    return page(
        folder,
        title=config["report"]["title"],
        subtitle=f"Microbiome landscapes from {'16S reads' if config['input']['kind'] == 'reads' else 'an ASV table'}.",
        simulated=simulated,
        note=config["report"]["note"],
        tiles=tiles(files),
        ran=what_ran(files, config),
        sections=sections,
        downloads=downloads(files.get("downloads", [])),
        settings=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        words=WORDS,
        anchor=anchor,
        explained=explained,
        version=taxoscape.__version__,
    )


def tiles(files: dict) -> list[tuple[str, str]]:
    """Numbers that say how large the study is."""
    denoised, rarefied = tables.read_table(files["table"]), tables.read_table(files["rarefied"])
    taxa = tables.read_tsv(files["taxa"], "taxa of the landscape")
    groups = metadata.read_design(files["design"])["group"].nunique()
    return [
        (f"{len(tables.read_tsv(files['track'], 'track')):,}", "samples came in"),
        (f"{rarefied.shape[1]:,}", "samples kept after rarefaction"),
        (f"{groups:,}", "groups of samples (hosts)"),
        (f"{denoised.shape[0]:,}", "ASVs"),
        (f"{len(taxa):,}", "taxa on the landscape"),
    ]


def what_ran(files: dict, config: dict) -> list[tuple[str, str]]:
    """What was run, in a few lines: input, hosts, targets, seed, version."""
    source = config["input"]["samples"] if config["input"]["kind"] == "reads" else config["input"]["table"]
    groups, targets = config["metadata"]["group"], config["metadata"]["targets"]
    lines = [
        ("Input", f"{'reads' if config['input']['kind'] == 'reads' else 'table'}, {source}"),
        ("Samples belong together by", listed(groups) if groups else "nothing: every sample stands on its own"),
        ("Predicted", listed([f"{name} ({kind})" for name, kind in targets.items()]) if targets else "nothing"),
    ]
    if config["metadata"]["time"]:
        lines.append(("Time", "{column}, in {unit}".format(**config["metadata"]["time"])))
    folds = count(config["metadata"]["folds"], "fold")
    lines.append(("Run", f"taxoscape {taxoscape.__version__}, seed {config['seed']}, {folds}"))
    return lines
