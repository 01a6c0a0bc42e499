"""What reruns: for every leaf of the config exactly its stage and what depends on it; likewise for edited modules."""

import copy
import json
import queue
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from conftest import environment

from taxoscape.digest import ROOT, imported

pytestmark = pytest.mark.slow

DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
# Other values than the ones in use, where doubling a number or negating a flag will not do.
OTHER = {
    "container": "taxoscape.sif",
    "references.folder": "resources/others",
    "reads.shard": 64,
    "reads.primers": {"forward": "GTGYCAGCMGCCGCGGTAA", "reverse": "GGACTACNVGGGTWTCTAAT"},
    "reads.primers_left": "ignore",
    "demo.subjects": 9,
    "denoise.truncate": [235, 155],
    "denoise.max_length": 300,
    "denoise.error_model": "binned",
    "denoise.pool": "within_run",
    "denoise.strand": "turn",
    "denoise.homopolymer_gap_penalty": -1,
    "denoise.min_fold_parent_over_abundance": 2,
    "denoise.chimera": "pooled",
    "filter.min_length": 100,
    "filter.max_length": 1000,
    "filter.min_reads": 2,
    "filter.min_samples": 2,
    "filter.min_share": 0.0001,
    "filter.exclude": ["Archaea"],
    "filter.require": "phylum",
    "rarefy.depth": 190,
    "taxonomy.method": "dada2",
    "taxonomy.min_bootstrap": 60,
    "metadata.folds": 4,
    "metadata.repeats": 2,
    "metadata.test": 0.3,
    "metadata.validation": 0.2,
    "metadata.time": {"column": "day", "unit": "weeks"},
    "metadata.fields": {"age": {"type": "continuous", "unit": "months"}, "antibiotic": {"type": "categorical"}},
    "metadata.targets": {"age": "regression"},
    "metadata.group": ["subject", "day"],
    "metadata.unmatched": "drop",
    "metadata.sample": "sample_id_2",
    "phylogeny.aligner": "auto",
    "phylogeny.builder": "iqtree",
    "phylogeny.iqtree.model": "HKY+F+G4",
    "phylogeny.iqtree.support": "sh_alrt",
    "phylogeny.max_pendant": 0.5,
    "phylogeny.placer": "raxml",
    "phylogeny.missing_tips": "drop",
    "unifrac.metric": "weighted_normalized",
    "diversity.metrics": ["bray_curtis", "aitchison"],
    "diversity.fields": ["age"],
    "diversity.differential": "ancombc",
    "diversity.rank": "family",
    "export.table": "rarefied",
    "embedding.loss": "edges",
    "embedding.optimizer": "radam",
    "layout.method": "circular",
    "images.values": "abundance",
    "images.kernel": "integrated",
    "images.min_bandwidth": 0.8,
    "images.normalise": "minmax",
    "images.store": "zarr",
    "diffusion.conditions": "resources/demo/asked.tsv",
    "aam.optimizer": "sgd",
    "aam.scheduler": "cosine",
    "aam.embedding_dim": 32,
    "aam.attention_heads": 4,
    "aam.best_metric": "main",
    "aam.mixed_precision": "bf16",
    "aam.ema": 0.9,
    "aam.unifrac_metric": "weighted",
    "aam.count_weight": 0.5,
    "aam.quantiles": [0.1, 0.5, 0.9],
    "aam.device": "cuda",
    "phenotype.layers": 1,
    "phenotype.width": 12,
    "diffusion.model": "copula",
    "diffusion.width": 36,
    "diffusion.device": "cuda",
    "diffusion.mixed_precision": "bf16",
    "diffusion.prediction": "x0",
    "diffusion.schedule": "linear",
    "diffusion.sampler": "dpm",
    "forecast.interventions": ["antibiotic", "diet"],
    "forecast.what_if": {"antibiotic": ["after", "none"]},
    "forecast.horizons": [10.0],
    "forecast.subject": "S03",
    "forecast.width": 16,
    "forecast.device": "auto",
    "phenotype.device": "auto",
    "forecast.prediction": "x0",
    "report.title": "another title",
    "report.note": "a note",
    "functions.normalise": False,
}
# Settings of the same section that another value needs beside it.
BESIDE = {"embedding.loss": {"optimizer": "radam"}}


# Keys that rerun one rule and what takes its files, not all of their stage; some run only where they are asked for.
FIRST = {
    **dict.fromkeys(
        (
            "aam.epochs",
            "aam.members",
            "aam.freeze_base",
            "aam.count_weight",
            "aam.quantiles",
            "aam.best_metric",
            "aam.class_weights",
            "aam.prediction_draws",
            "aam.interval",
            "aam.explained_samples",
            "aam.trees",
            "aam.bootstraps",
        ),
        "train_predictor",
    ),
    **dict.fromkeys(("evaluation.trees", "evaluation.bootstraps", "evaluation.repeats"), "evaluate_generation"),
    "images.previews": "draw_previews",
    "images.gallery": "draw_gallery",
    "images.store": "store_images",
    "diffusion.conditions": "generate_asked",
}


def leaves(section: dict, prefix: str = "") -> dict[str, object]:
    found = {}
    for key, value in section.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def other(leaf: str, value: object) -> object:
    """A different valid value for a leaf."""
    if leaf in OTHER:
        return OTHER[leaf]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value * 2 + 1
    if isinstance(value, float):
        return value * 0.9 if value else 0.1
    if isinstance(value, list):
        return [item + 1 for item in value]
    raise AssertionError(f"tests/test_reruns.py needs another value for {leaf} (now {value!r})")


def stage_rules(stage: str) -> set[str]:
    text = (ROOT / "workflow" / "rules" / f"{stage}.smk").read_text()
    return set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", text, flags=re.M))


@pytest.fixture(scope="module")
def rerun(chain) -> Iterator[Callable[[dict, str], set[str]]]:
    """Rules that a dry run would execute with a config; any two may be asked for at once."""
    command = [sys.executable, ROOT / "tests" / "dry_runs.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    free = queue.SimpleQueue()

    def rules(config: dict, name: str) -> set[str]:
        path = chain.study / f"changed-{name}.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        process = free.get()
        arguments = chain.arguments("--dry-run", "--quiet", "rules", "--nolock", config=path)
        print(json.dumps(arguments), file=process.stdin, flush=True)
        code, printed = json.loads(process.stdout.readline())
        free.put(process)
        assert code == 0, f"{name}: {printed[-2000:]}"
        return set(re.findall(r"^(\w+)\s+\d+$", printed, flags=re.M)) - {"total", "all"}

    with ExitStack() as stack:
        for _ in range(2):
            process = subprocess.Popen(command, cwd=chain.repository, env=environment(), **pipes)
            free.put(stack.enter_context(process))
            stack.callback(process.stdin.close)
        yield rules


@pytest.fixture(scope="module")
def depends(chain) -> dict[str, set[str]]:
    """Rule -> rules that take its files, directly or not, itself included."""
    graph = chain.run("--rulegraph", "--forceall").stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', graph))
    after = {name: {name} for name in names.values()}
    edges = [(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", graph)]
    for _ in names:
        for before, later in edges:
            after[before] |= after[later]
    return {name: found - {"all"} for name, found in after.items() if name != "all"}


@pytest.fixture(scope="module")
def tiny(chain) -> dict:
    """The config in use, defaults and demo included."""
    config = copy.deepcopy(DEFAULTS)
    for source in (yaml.safe_load((ROOT / "config/demo.yaml").read_text()), yaml.safe_load(chain.config.read_text())):
        for section, values in source.items():
            config[section] |= values
    return config


def expected(leaf: str, depends: dict[str, set[str]], seeded: set[str]) -> set[str]:
    stage = leaf.split(".")[0]
    if leaf in [f"{stage}.enabled" for stage in ("aam", "phenotype", "diffusion", "diversity", "forecast")]:
        return {"write_report"}
    if leaf == "container":  # no rule's, and nothing without --sdm apptainer
        return {"write_report"}
    if leaf == "reads.primers":  # its rules run only where primers are cut
        return expected("reads.primers_left", depends, seeded) | {"trim_primers", "gather_primers"}
    if leaf in FIRST:
        return depends.get(FIRST[leaf], {FIRST[leaf]}) | {"write_report"}
    start = seeded if leaf == "seed" else (stage_rules(stage) | readers(stage)) & set(depends)
    # The report prints every setting.
    return set().union(*(depends[rule] for rule in start)) | {"write_report"}


def readers(section: str) -> set[str]:
    """Rules of any stage whose parameters hold a whole section of the config (or the seed)."""
    found = set()
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        parts = re.split(r"^ *(?:rule|checkpoint) (\w+):", path.read_text(), flags=re.M)
        wanted = re.compile(rf'= *config\["{section}"\],')
        found |= {name for name, text in zip(parts[1::2], parts[2::2], strict=True) if wanted.search(text)}
    return found


def seeded_rules(depends: dict) -> set[str]:
    return readers("seed") & set(depends)


# Leaves that name files or another way in: what the study then computes differs, as the tests below say.
INSERTION = ("phylogeny.method", "phylogeny.root", "phylogeny.outgroup", "phylogeny.reference.")
FILES = (
    "input.",
    "denoise.priors",
    "denoise.strand_reference",
    "functions.",
    "taxonomy.training_set",
    "taxonomy.species",
    "metadata.file",
    "layout.existing",
    "aam.encoder",
    *INSERTION,
)
SETTINGS = {f"functions.{name}" for name in ("min_identity", "max_nsti", "normalise", "stratified")}


def test_every_leaf_reruns_its_stage_and_what_depends_on_it(rerun, chain, depends, tiny):
    (chain.study / OTHER["diffusion.conditions"]).write_text("sample\nanyone\n")
    seeded = seeded_rules(depends)
    found, jobs = {}, []
    for leaf in leaves(DEFAULTS):
        if leaf.startswith(FILES) and leaf not in SETTINGS:
            continue
        config = copy.deepcopy(tiny)
        section = config
        *parts, last = leaf.split(".")
        for part in parts:
            section = section[part]
        section[last] = other(leaf, section[last])
        section |= BESIDE.get(leaf, {})
        jobs.append((leaf, config))
    with ThreadPoolExecutor(2) as pool:
        for (leaf, _), rules in zip(jobs, pool.map(lambda job: rerun(job[1], job[0]), jobs), strict=True):
            found[leaf] = rules
    wrong = {
        leaf: {"missing": sorted(wanted - rules), "needless": sorted(rules - wanted)}
        for leaf, rules in found.items()
        if rules != (wanted := expected(leaf, depends, seeded))
    }
    assert not wrong


GIVEN = {
    "denoise.strand_reference": ("resources/demo/reference.fna", {"merge_tables"}),
    "denoise.priors": ("resources/demo/truth/asvs.fasta", {"denoise_reads"}),
    "taxonomy.training_set": ("resources/demo/training_set.fa.gz", {"assign_taxonomy"}),
    "taxonomy.species": ("resources/demo/training_set.fa.gz", {"assign_taxonomy"}),
    "functions.reference.sequences": ("resources/demo/reference.fna", None),
    "functions.reference.ko": ("resources/demo/reference_ko.tsv.gz", None),
    "functions.reference.copies": ("resources/demo/reference_16S.tsv.gz", None),
    "functions.reference.tree": ("results/phylogeny/tree.nwk", None),
    "functions.reference.map": ("resources/demo/kegg_map.tsv", None),
    "metadata.file": ("resources/demo/metadata.tsv", {"prepare_metadata"}),
    "layout.existing": ("results/layout/positions.tsv", {"lay_out_taxa"}),
    "aam.encoder": ("results/aam/pretrain/fold0/model.pt", {"pretrain_encoder"}),
    "input.ko": ("results/functions/ko.tsv.gz", {"profile_functions"}),
    "input.taxonomy": ("results/taxonomy/taxonomy.tsv", {"import_taxonomy"}),
    "input.tree": ("results/phylogeny/tree.nwk", {"import_tree"}),
}


@pytest.mark.parametrize("leaf", GIVEN)
def test_another_file_reruns_the_stage_that_reads_it(rerun, chain, depends, tiny, leaf):
    source, rules = GIVEN[leaf]
    copied = chain.study / f"other-{Path(source).name}"
    shutil.copy(chain.study / source, copied)
    config = copy.deepcopy(tiny)
    section = config
    *parts, last = leaf.split(".")
    for part in parts:
        section = section[part]
    section[last] = copied.name
    stage = {"input.taxonomy": "taxonomy", "input.tree": "phylogeny", "input.ko": "functions"}.get(leaf, parts[0])
    found = rerun(config, leaf)
    later = set().union(*(depends[rule] for rule in stage_rules(stage) & set(depends))) - stage_rules(stage)
    assert later <= found
    assert found - later <= stage_rules(stage) | readers(stage)
    assert rules is None or rules <= found


def test_a_table_reruns_everything_but_the_reads(rerun, chain, depends, tiny):
    config = copy.deepcopy(tiny)
    for name in ("table.biom", "asvs.fasta"):
        shutil.copy(chain.result(f"denoise/{name}"), chain.study / f"given-{name}")
    shutil.copy(chain.study / "resources/demo/metadata.tsv", chain.study / "given-metadata.tsv")
    config["input"] |= {"kind": "table", "samples": None, "table": "given-table.biom", "sequences": "given-asvs.fasta"}
    config["metadata"]["file"] = "given-metadata.tsv"
    for section, keys in {"taxonomy": ["training_set"], "functions": ["reference"]}.items():
        assert all(config[section][key] for key in keys)
    # The reference genomes are the same ones.
    before = stage_rules("demo") | stage_rules("reads") | stage_rules("denoise") | {"check_depth", "prepare_reference"}
    assert rerun(config, "table") == set(depends) - before | {"import_table"}


def test_a_sheet_that_names_the_same_reads_reruns_only_the_pages_that_call_them_simulated(rerun, chain, tiny):
    shutil.copy(chain.study / "resources/demo/samples.tsv", chain.study / "other-samples.tsv")
    config = copy.deepcopy(tiny)
    config["input"]["samples"] = "other-samples.tsv"
    assert rerun(config, "samples") == {"write_report", "draw_gallery"}


def test_no_functional_method_reruns_the_profiles(rerun, depends, tiny):
    config = copy.deepcopy(tiny)
    config["functions"]["method"] = "none"
    without = {"summarise_functions", "draw_functions"}
    assert rerun(config, "none") == depends["profile_functions"] - without


def test_every_leaf_has_its_test():
    named = set(GIVEN) | {
        "functions.method",
        "functions.placement",
        "input.kind",
        "input.samples",
        "input.table",
        "input.sequences",
    }
    found = {leaf for leaf in leaves(DEFAULTS) if leaf.startswith(FILES) and not leaf.startswith(INSERTION)}
    assert found - SETTINGS == named


def test_an_outgroup_reruns_the_tree_and_what_depends_on_it(rerun, depends, tiny):
    config = copy.deepcopy(tiny)
    config["phylogeny"] |= {"root": "outgroup", "outgroup": ["k__Archaea"]}
    changed = stage_rules("phylogeny") & set(depends)
    assert rerun(config, "outgroup") == set().union(*(depends[rule] for rule in changed))


@pytest.mark.skipif(shutil.which("raxmlHPC") is None, reason="RAxML is not installed")
def test_an_insertion_makes_the_tree_anew_by_its_own_rules(rerun, chain, depends, tiny):
    config = copy.deepcopy(tiny)
    shutil.copy(chain.result("phylogeny/aligned.fasta"), chain.study / "reference.fasta")
    shutil.copy(chain.result("phylogeny/unrooted.nwk"), chain.study / "reference.nwk")
    reference = {"alignment": "reference.fasta", "tree": "reference.nwk", "model": None}
    config["phylogeny"] |= {"method": "insertion", "placer": "raxml", "reference": reference}
    new = {"align_to_reference", "place_asvs", "graft_asvs"}
    assert rerun(config, "insertion") == depends["root_tree"] | new


@pytest.mark.parametrize("module", ["taxoscape/unifrac.py", "taxoscape/raster.py", "taxoscape/files.py"])
def test_editing_a_module_reruns_the_rules_that_import_it(rerun, chain, depends, module):
    scripts = {path.stem: path for path in (chain.repository / "workflow/scripts").glob("*.py")}
    edited = chain.repository / module
    users = {name for name, path in scripts.items() if edited in imported(path, chain.repository)} & set(depends)
    assert users
    before = edited.read_text()
    try:
        edited.write_text(before + "\n# edited\n")
        config = yaml.safe_load(chain.config.read_text())
        assert rerun(config, "edited") == set().union(*(depends[name] for name in users))
    finally:
        edited.write_text(before)
