"""The page as a whole: which sections this study has, the tiles and verdicts on top, the settings at the end."""

import json
from pathlib import Path

import yaml

import taxoscape
from taxoscape import tables
from taxoscape.report import community, learned, measured, methods, trajectories
from taxoscape.report.parts import Section, page

# Section and the file without which the study has no such section, in the order of the chain.
SECTIONS = [
    (measured.reads, "track"),
    (measured.taxonomy, "taxonomy"),
    (measured.phylogeny, "tree_quality"),
    (measured.functions, "channels"),
    (measured.hosts, "design"),
    (learned.embedding, "embedding_quality"),
    (learned.landscape, "images_quality"),
    (community.diversity, "permanova"),
    (learned.predictions, "metrics"),
    (learned.phenotype, "phenotype"),
    (learned.generation, "generation"),
    (trajectories.forecasts, "design"),
    (methods.methods, "versions"),
]


def compose(files: dict, config: dict, template: str, simulated: bool) -> str:
    """Write the page from the files of the stages (name -> path, or name -> {target: path})."""
    sections = [make(files, config) for make, needed in SECTIONS if files.get(needed)]
    return page(
        template,
        title=config["report"]["title"],
        subtitle=f"Microbiome landscapes from {'16S reads' if config['input']['kind'] == 'reads' else 'an ASV table'}.",
        simulated=simulated,
        note=config["report"]["note"],
        tiles=tiles(files),
        verdicts=verdicts(files, sections),
        sections=sections,
        settings=yaml.safe_dump(config, sort_keys=False),
        version=taxoscape.__version__,
    )


def tiles(files: dict) -> list[tuple[str, str]]:
    """Numbers that say how large the study is."""
    denoised, rarefied = tables.read_table(files["table"]), tables.read_table(files["rarefied"])
    taxa = tables.read_tsv(files["taxa"], "taxa of the landscape")
    return [
        (f"{len(tables.read_tsv(files['track'], 'track')):,}", "samples came in"),
        (f"{rarefied.shape[1]:,}", "samples kept after rarefaction"),
        (f"{denoised.shape[0]:,}", "ASVs"),
        (f"{len(taxa):,}", "taxa on the landscape"),
    ]


def verdicts(files: dict, sections: list[Section]) -> list[str]:
    """Plain sentences: what each learned result is worth, and every warning of the sections."""
    found = [
        f"{target}: {json.loads(Path(path).read_text())['verdict']}"
        for target, path in files.get("metrics", {}).items()
    ]
    found += [
        f"{target}, as a distribution: {json.loads(Path(path).read_text())['verdict']}"
        for target, path in files.get("phenotype", {}).items()
    ]
    if files.get("generation"):
        found.append("Generated communities: " + json.loads(Path(files["generation"]).read_text())["verdict"])
    if files.get("forecast"):
        found.append("Forecasts: " + json.loads(Path(files["forecast"]).read_text())["verdict"])
    return found + [warning for section in sections for warning in section.warnings]
