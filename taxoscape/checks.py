"""Checks at the door, before any job: the config, the sheets, and whether a study's files fit together."""

import difflib
import json
import re
from pathlib import Path

import jsonschema
import pandas as pd
import yaml

from taxoscape import inputs, metadata, programs, references, tables
from taxoscape.aam.options import check_aam
from taxoscape.basis import check_images
from taxoscape.denoise.options import check_denoise
from taxoscape.diffusion.asked import read_asked
from taxoscape.diffusion.check import check_diffusion
from taxoscape.embedding.options import EmbeddingOptions, check_embedding
from taxoscape.errors import InputError, examples
from taxoscape.filter import check_filter, foreseen
from taxoscape.forecast.check import check_forecast, check_options
from taxoscape.functions.check import check_functions
from taxoscape.layout.existing import read_existing
from taxoscape.phenotype.options import check_phenotype
from taxoscape.phylogeny import tools
from taxoscape.phylogeny.check import check_phylogeny
from taxoscape.rarefy import depth
from taxoscape.reads.settings import check_ends, check_reads

NUMBER = re.compile(r"true|false|-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")  # as JSON writes them
MOST_VALUES = 100_000  # of a config
SHEET_COLUMNS = ["sample", "run", "fq1", "fq2"]


def check_config(config: dict, schema: str | Path) -> None:
    """Raise InputError for the first key or value that no study can have, with the nearest known key."""
    _check_size(config)
    validator = jsonschema.Draft202012Validator(yaml.safe_load(Path(schema).read_text()))
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise InputError(_human(errors[0]))
    check_reads(config["reads"])
    check_phylogeny(config)
    check_embedding(EmbeddingOptions(**config["embedding"]))
    check_images(config["images"])
    check_aam(config["aam"], config["metadata"]["targets"])
    check_phenotype(config)
    check_diffusion(config)
    check_options(config)


def check_programs(config: dict) -> None:
    """Raise InputError unless the programs that the config chooses are installed on this machine."""
    for name in tools.needed(config):
        tools.program(name)
    settings, method = config["input"], config["functions"]["method"]
    if settings["kind"] == "reads":
        programs.find("R")
        if config["reads"]["primers"]:
            programs.find("cutadapt")
    if not settings["ko"] and method in ("nearest", "parsimony"):
        programs.find("vsearch")
    if not settings["ko"] and method == "picrust2":
        programs.find("PICRUSt2", "picrust2_pipeline.py")


def ordered(config: dict, defaults: dict) -> dict:
    """Config with its keys in the order of the defaults: Snakemake takes another order for another value.

    Keys that the defaults do not know (fields and targets of a study) keep the order they have. Numbers inside of
    `--config 'section={key: 1}'` come as text; they are numbers where the default is one, or null, or auto.
    """
    known = [key for key in defaults if key in config]
    return {
        key: ordered(config[key], defaults.get(key) or {})
        if isinstance(config[key], dict)
        else _number(config[key], defaults.get(key, ""))
        for key in known + [key for key in config if key not in defaults]
    }


def _number(value: object, default: object) -> object:
    """Value, or the number or truth value its text is where the default is no text, or auto; lists item by item."""
    if isinstance(value, list) and isinstance(default, list) and default:
        return [_number(item, default[0]) for item in value]
    text = isinstance(default, str | list | dict) and default != "auto"
    if not isinstance(value, str) or text:
        return value
    return json.loads(value) if NUMBER.fullmatch(value) else value


def read_sheet(path: str | Path) -> pd.DataFrame:
    """Read the sample sheet -> sample, run, fq1, fq2; a sheet without `run` is one run.

    A sheet without fq2, or with nothing in it, is of single-end reads: fq2 is empty throughout.
    Raises InputError for absent columns, no rows, empty cells, duplicate samples, and single reads among pairs.
    """
    frame = tables.read_tsv(path, "sample sheet (input.samples)")
    columns = list(frame.columns)
    second = [column for column in columns if re.search("2|rev", column, re.IGNORECASE)]
    if "fq2" not in columns and second:
        raise InputError(
            f"sample sheet {path} has a column {second[0]!r} but none called fq2: rename it to fq2 for paired-end "
            "reads, or remove it for single-end reads"
        )
    if "run" not in frame:
        frame["run"] = "1"
    if "fq2" not in frame:
        frame["fq2"] = ""
    missing = [column for column in SHEET_COLUMNS if column not in frame]
    if missing:
        raise InputError(
            f"sample sheet {path} lacks the columns {examples(missing)} (it has {examples(columns, 6)}): "
            "tab-separated sample, fq1, fq2 (not for single-end reads) and optionally run are needed"
        )
    frame = frame[SHEET_COLUMNS].apply(lambda column: column.str.strip())
    if frame.empty:
        raise InputError(f"sample sheet {path} names no sample")
    single = frame["fq2"] == ""
    if single.any() and not single.all():
        raise InputError(
            f"sample sheet {path} mixes single-end and paired-end samples: fq2 is empty for {single.sum()} of "
            f"{len(frame)} ({examples(frame.loc[single, 'sample'])}); name their second files, or leave the column fq2 "
            "out to use the forward reads alone"
        )
    for column in ("sample", "run", "fq1"):
        if (frame[column] == "").any():
            row = int((frame[column] == "").idxmax()) + 2
            raise InputError(f"sample sheet {path} line {row}: {column} is empty")
    odd = frame.loc[~frame["run"].map(lambda run: bool(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", run))), "run"]
    if len(odd):
        raise InputError(
            f"sample sheet {path}: run {odd.iloc[0]!r} names a folder: up to 100 letters, digits, '_', '.', '-'"
        )
    tables.check_names(frame["sample"], f"sample sheet {path} has samples")
    if frame["sample"].duplicated().any():
        again = frame.loc[frame["sample"].duplicated(), "sample"]
        raise InputError(f"sample sheet {path} names {len(again)} samples twice: {examples(again)}")
    return frame


def check_study(config: dict) -> None:
    """Raise InputError unless the files that the config names exist and fit together by id."""
    settings = config["input"]
    samples = _check_reads(config) if settings["kind"] == "reads" else _check_table(config)
    check_filter(config, len(samples))
    metadata.check_metadata(config["metadata"], samples)
    check_diversity(config)
    check_forecast(config, samples)
    read_existing(config["layout"]["existing"], config["layout"]["grid"])
    _check_references(config)


def _check_reads(config: dict) -> list[str]:
    settings = config["input"]
    if not settings["samples"]:
        raise InputError("input.kind is reads, but input.samples names no sample sheet")
    if settings["table"]:
        raise InputError(f"input.kind is reads, but input.table names {settings['table']}: set input.kind: table")
    sheet = read_sheet(settings["samples"])
    paths = [path for column in ("fq1", "fq2") for path in sheet[column] if path]
    absent = [path for path in paths if not inputs.is_regular(path)]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(paths)} FASTQ files in {settings['samples']} do not exist: {examples(absent)} "
            "(paths are relative to the working directory)"
        )
    empty = [path for path in paths if not Path(path).stat().st_size]
    if empty:
        raise InputError(f"{len(empty)} FASTQ files in {settings['samples']} are empty: {examples(empty)}")
    again = pd.Series(paths)[pd.Series(paths).duplicated()]
    if len(again):
        raise InputError(f"{len(again)} FASTQ files stand twice in {settings['samples']}: {examples(again)}")
    paired = bool((sheet["fq2"] != "").all())
    check_ends(config, paired)
    check_denoise(config, len(sheet), paired)
    return list(sheet["sample"])


def _check_table(config: dict) -> list[str]:
    settings = config["input"]
    if not settings["table"]:
        raise InputError("input.kind is table, but input.table names no file")
    table = tables.read_table(settings["table"])
    tables.check_counts(table, settings["table"])
    with_sequence = _check_sequences(config, list(table.ids("observation")))
    left = foreseen(table, config)
    depth.choose(left.sum("sample"), config["rarefy"])
    if settings["tree"]:
        _check_tree(config, list(left.ids("observation")))
    elif not with_sequence:
        raise InputError(f"{settings['table']} comes without sequences, so input.tree must name its tree")
    if settings["taxonomy"]:
        tables.read_taxonomy(settings["taxonomy"])
    elif not with_sequence:
        raise InputError(f"{settings['table']} comes without sequences, so input.taxonomy must name its lineages")
    return list(table.ids())


def _check_sequences(config: dict, features: list[str]) -> bool:
    """Whether any feature has a sequence; refuses what needs sequences where there are none."""
    settings = config["input"]
    if settings["sequences"]:
        known = tables.read_fasta(settings["sequences"])
        if not any(feature in known for feature in features):
            raise InputError(
                f"none of the {len(features):,} features of {settings['table']} ({examples(features)}) is in "
                f"input.sequences {settings['sequences']} ({examples(known)})"
            )
        return True
    if any(tables.is_sequence(feature) for feature in features):
        return True
    why = f"the feature ids of {settings['table']} ({examples(features)}) are no sequences and input.sequences is null"
    if config["aam"]["enabled"] and config["metadata"]["targets"]:
        raise InputError(f"aam reads sequences, but {why}: name a FASTA there, or set aam.enabled: false")
    if config["functions"]["method"] in ("nearest", "parsimony", "picrust2") and not settings["ko"]:
        raise InputError(
            f"functions.method={config['functions']['method']} needs sequences, but {why}: use table or none"
        )
    return False


def _check_tree(config: dict, features: list[str]) -> None:
    """Compare tip names with features by text alone: parsing 10,000 tips would cost every command seconds."""
    path = Path(config["input"]["tree"])
    newick = inputs.read_text(path, "input.tree")
    if not newick.lstrip().startswith("(") or not newick.rstrip().endswith(";"):
        raise InputError(f"input.tree {path} is no Newick tree: it must start with '(' and end with ';'")
    tips = {
        name[1:-1].replace("''", "'") if name.startswith("'") else name
        for name in re.findall(r"[(,]\s*('(?:[^']|'')*'|[^\s(),:;\[\]']+)", newick)
    }
    lacking = [feature for feature in features if feature not in tips and feature.replace("_", " ") not in tips]
    if len(lacking) == len(features) or (lacking and config["phylogeny"]["missing_tips"] == "error"):
        raise InputError(
            f"input.tree {path} lacks {len(lacking):,} of the {len(features):,} features of the table: "
            f"{examples(lacking)}; give the tree of this table, or set phylogeny.missing_tips: drop"
        )


def _check_references(config: dict) -> None:
    check_functions(config)
    settings = config["input"]
    for key in ("sequences", "tree", "taxonomy", "ko"):
        if settings[key]:
            inputs.check_named(f"input.{key}", settings[key])
    check_taxonomy(config)
    if config["diffusion"]["enabled"] and config["diffusion"]["conditions"]:
        read_asked(config["diffusion"]["conditions"], config["metadata"]["fields"])


def check_diversity(config: dict) -> None:
    """Raise InputError when diversity.fields names what is neither a field nor a target of the study."""
    known = metadata.columns(config["metadata"])
    unknown = [name for name in config["diversity"]["fields"] or [] if name not in known]
    if unknown:
        raise InputError(
            f"diversity.fields: {examples(unknown)} is not among metadata.fields and metadata.targets "
            f"({examples(known, 8) or 'none'}): declare it there, or set diversity.fields: null for all of them"
        )


def check_taxonomy(config: dict) -> None:
    """Raise InputError unless the references that taxonomy names can be had."""
    section = config["taxonomy"]
    if section["allow_multiple"] and not section["species"]:
        raise InputError("taxonomy.allow_multiple is true, but taxonomy.species names no species set to find them in")
    if config["input"]["taxonomy"]:
        return
    references.check("taxonomy.training_set", section["training_set"], ("training set",), config["references"])
    if section["species"]:
        references.check("taxonomy.species", section["species"], ("species set",), config["references"])


def _check_size(config: dict) -> None:
    """Raise InputError for a config that YAML's aliases multiply: a few lines of them make a message of gigabytes."""
    waiting, count = [config], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > MOST_VALUES:
            raise InputError(
                f"the config holds more than {MOST_VALUES:,} values, those behind aliases (*name) counted each time: "
                "write it without aliases"
            )
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []


def _human(error: jsonschema.ValidationError) -> str:
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        key = sorted(set(error.instance) - set(known), key=str)[0]
        near = difflib.get_close_matches(str(key), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return f"unknown config key {'.'.join(filter(None, [place, str(key)]))!r}: {hint}"
    if error.validator == "enum":
        return f"config {place}={error.instance!r}: choose one of {', '.join(map(str, error.validator_value))}"
    if error.validator == "type":
        kinds = error.validator_value
        kinds = ", ".join(kinds) if isinstance(kinds, list) else kinds
        return f"config {place}={error.instance!r} has the wrong type: {kinds} is needed"
    return f"config {place or 'top level'}: {error.message}"
