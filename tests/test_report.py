"""The report: every name escaped, numbers as a reader wants them, losses and verdicts said plainly."""

import copy
import hashlib
import json
import re

import biom
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from taxoscape.digest import ROOT
from taxoscape.files import write_json, write_tsv
from taxoscape.palette import UNASSIGNED, choose_clades
from taxoscape.report import cards, community, figures, learned, measured, methods
from taxoscape.report.cells import format_cell, interval
from taxoscape.report.paragraphs import PARAGRAPHS
from taxoscape.report.parts import Section, Table, drawn, page

TEMPLATE = ROOT / "workflow" / "report" / "report.html.j2"


def render(**changes: object) -> str:
    content = {
        "title": "t",
        "subtitle": "s",
        "simulated": False,
        "note": None,
        "tiles": [("1", "sample")],
        "verdicts": [],
        "sections": [],
        "settings": "seed: 0",
        "version": "0",
    }
    return page(TEMPLATE, **(content | changes))


@pytest.mark.parametrize("place", ["title", "subtitle", "settings"])
def test_no_name_becomes_markup(place):
    html = render(**{place: "<script>alert(1)</script>"})
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_names_in_tables_and_captions_are_escaped():
    frame = pd.DataFrame({"sample": ['<img src=x onerror="y">']})
    section = Section("reads", "Reads", "lead <b>", tables=[Table("caption <i>", frame)])
    html = render(sections=[section])
    assert "<img src=x" not in html
    assert "<b>" not in html.split("lead")[1][:20]


def test_a_template_that_lacks_a_value_fails():
    with pytest.raises(Exception, match="undefined"):
        page(TEMPLATE, title="only")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (12.0, "12"),
        (0.99993, "0.9999"),
        (float("nan"), ""),
        (None, ""),
        (True, "yes"),
        ("a", "a"),
    ],
)
def test_numbers_read_as_a_person_writes_them(value, text):
    assert format_cell(value) == text


def test_an_interval_stands_beside_its_value():
    assert interval({"value": 2.84, "low": 2.41, "high": 3.3}) == "2.84 (2.41 to 3.3)"
    assert interval({"value": None, "low": None, "high": None}) == "not defined"
    assert interval(0.5) == "0.5"
    assert interval(None) == ""


def test_a_long_table_counts_what_it_hides():
    table = Table("c", pd.DataFrame({"n": range(30)}), limit=10)
    assert len(table.shown) == 10
    assert "and 20 more rows" in render(sections=[Section("a", "A", "", tables=[table])])


def test_phyla_are_shares_of_reads_in_the_colours_of_the_study():
    table = biom.Table(np.array([[6.0, 0], [2, 1], [1, 2], [1, 1]]), list("abcd"), ["s1", "s2"])
    lineages = pd.Series({"a": "k__B; p__X; c__1", "b": "k__B; p__Y", "c": "k__B; p__X", "d": "k__B"})
    shares = measured.phylum_shares(table, lineages, choose_clades(lineages, [1, 9, 1, 5]))
    assert list(shares.columns) == ["Y", "X", "unassigned"]
    np.testing.assert_allclose(shares.to_numpy(), [[0.2, 0.7, 0.1], [0.25, 0.5, 0.25]])
    clades = choose_clades(lineages, [1, 9, 1, 5])
    bars = figures.phylum_bars(shares, clades).axes[0].containers
    drawn_as = {bar.get_label(): to_hex(bar.patches[0].get_facecolor()).upper() for bar in bars}
    assert drawn_as == {**clades.colours["phylum"], "unassigned": UNASSIGNED.upper()}


TRUNCATION = {
    "asked": "auto",
    "used": {"1": [230, 150]},
    "runs": {
        "1": {
            "amplicon_length": {"median": 253},
            "used": {"truncate": [230, 150], "passes": 0.91, "can_overlap": 0.995},
            "suggested": None,
        }
    },
}


def dot() -> bytes:
    """Any PNG."""
    return drawn(Figure(figsize=(0.1, 0.1)), "").png


def test_samples_that_lost_all_reads_are_named(tmp_path):
    track = pd.DataFrame({"sample": ["good", "lost"]} | dict.fromkeys(figures.STEPS, [100, 50]))
    track["nonchimeric"] = [80, 0]
    write_tsv(track, tmp_path / "track.tsv")
    write_tsv(pd.DataFrame(columns=["sample", "reads", "why"]), tmp_path / "dropped.tsv")
    write_tsv(pd.DataFrame({"step": ["lineage"], "asvs": [3]}), tmp_path / "filtered.tsv")
    files = {name: tmp_path / f"{name}.tsv" for name in ("track", "dropped", "filtered")}
    files["error_plots"] = [str(tmp_path / "quality_plot.png")]
    for name in ("quality_plot", "depths_plot"):
        files[name] = tmp_path / f"{name}.png"
        files[name].write_bytes(dot())
    write_json({"depth": 10, "chosen": True, "keep": 0.9}, tmp_path / "depth.json")
    write_json(TRUNCATION, tmp_path / "truncation.json")
    files |= {name: tmp_path / f"{name}.json" for name in ("depth", "truncation")}
    section = measured.reads(files, {})
    assert section.warnings == ["1 samples lost all their reads: lost."]
    assert len(section.figures) == 3
    assert len(section.folded) == 1
    assert "10 reads were drawn of every sample" in section.notes[-1]
    assert "chosen to keep 90% of the samples" in section.notes[-1]


def test_the_truncation_used_stands_beside_the_suggested_one(tmp_path):
    write_json(TRUNCATION, tmp_path / "truncation.json")
    row = measured.truncation_table(tmp_path / "truncation.json").iloc[0]
    assert row["used, nt"] == "230 and 150"
    assert row["used: passes the filter"] == "91.0%"
    assert row["suggested, nt"] == ""


def test_numbers_of_a_table_become_numbers_and_texts_stay():
    frame = measured.numbers(pd.DataFrame({"name": ["7a", "8"], "p": ["0.01", ""], "why": ["", ""]}))
    assert frame["p"].iloc[0] == 0.01
    assert pd.isna(frame["p"].iloc[1])
    assert list(frame["name"]) == ["7a", "8"]
    assert list(frame["why"]) == ["", ""]


def test_models_stand_in_one_table_with_their_intervals():
    entry = {"value": 1.0, "low": 0.5, "high": 1.5}
    table = learned.models_table({"aam": {"mae": entry, "r2": entry}, "random_forest": {"mae": entry}})
    assert list(table["model"]) == ["aam", "random forest"]
    assert table.iloc[0, 1] == "1 (0.5 to 1.5)"
    assert table.iloc[1, 2] == ""


def test_figures_are_the_same_bytes_twice():
    values = pd.DataFrame({"value": [1.0, 2.0], "low": [0.5, 1.5], "high": [1.5, 2.5]}, index=["aam", "mean"])
    first, second = (drawn(figures.model_intervals(values, "error"), "c").png for _ in range(2))
    assert first == second


def test_distributions_stand_beside_their_baselines(tmp_path):
    entry = {"value": 1.5, "low": 1.0, "high": 2.0}
    none = {"value": None, "low": None, "high": None}
    found = {"verdict": "better than chance", "n": 40, "groups": 12, "folds": 5, "repeats": 1}
    found["models"] = {
        "diffusion": {"mae": entry, "crps": entry, "cover50": entry, "cover90": entry},
        "random_forest": {"mae": entry, "crps": entry, "cover50": none, "cover90": none},
    }
    found["paired"] = {"random_forest": {"mae": entry, "crps": entry}}
    write_json(found, tmp_path / "metrics.json")
    (tmp_path / "dot.png").write_bytes(dot())
    files = {"phenotype": {"age": tmp_path / "metrics.json"}}
    files |= dict.fromkeys(("phenotype_plots", "calibration_plots"), {"age": tmp_path / "dot.png"})
    section = learned.phenotype(files, DEFAULTS)
    assert section.notes == ["age: better than chance"]
    models, differences = (table.frame for table in section.tables)
    assert models.iloc[1, -1] == "not defined"
    assert list(differences.iloc[0]) == ["random forest", "1.5 (1 to 2)", "1.5 (1 to 2)"]
    assert list(differences.columns) == ["baseline", "difference in mean absolute error", "difference in CRPS"]
    assert len(section.figures) == 2


DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
CITATIONS = pd.read_csv(ROOT / "resources" / "citations.tsv", sep="\t", dtype=str, keep_default_na=False)
CHOICES = {
    "denoise.pool": ["independent", "pseudo", "within_run", "pooled"],
    "denoise.truncate": ["auto"],
    "reads.primers": ["auto"],
    "taxonomy.method": ["naive_bayes", "dada2"],
    "taxonomy.training_set": ["silva_138.2", "rdp_19", "gtdb_r220", "greengenes2_2024.09", "a path/to a.fa.gz"],
    "phylogeny.method": ["denovo", "insertion", "given"],
    "phylogeny.placer": ["epa-ng", "raxml"],
    "rarefy.depth": ["auto", 500],
    "phylogeny.builder": ["fasttree", "iqtree", "veryfasttree"],
    "functions.method": ["nearest", "parsimony", "picrust2", "table", "none"],
    "diversity.differential": ["ancombc2", "ancombc", "none"],
    "embedding.loss": ["relative", "edges"],
    "embedding.optimizer": ["lbfgs", "radam"],
    "layout.method": ["tsne", "circular", "poincare", "stereographic"],
    "layout.existing": [None, "a path/to positions.tsv"],
    "diffusion.model": ["mlp", "transformer", "unet", "copula"],
    "diffusion.sampler": ["ddim", "dpm"],
    "phenotype.joint": [False, True],
    "phenotype.fields": [False, True],
    "metadata.targets": [{"age": "regression"}, {"age": "regression", "mass": "regression"}],
}


def changed(leaf: str, value: object) -> dict:
    config = copy.deepcopy(DEFAULTS)
    section, key = leaf.split(".")
    config[section][key] = value
    return config


@pytest.mark.parametrize(("leaf", "value"), [(leaf, value) for leaf, values in CHOICES.items() for value in values])
def test_every_setting_has_its_words_and_every_citation_its_reference(leaf, value):
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    section, key = leaf.split(".")
    allowed = schema["properties"][section]["properties"][key].get("enum")
    assert allowed is None or set(allowed) == set(CHOICES[leaf]), f"{leaf} has other choices than the test"
    citations = CITATIONS.set_index("key")
    for write in PARAGRAPHS:
        text = write(changed(leaf, value), {"dada2": "1.26"})
        assert "{" not in text
        for named in re.findall(methods.KEY, text):
            assert named in citations.index, f"{named} is no row of resources/citations.tsv"
        assert "@" not in methods.cited(text, citations)


def test_the_methods_say_what_ran(tmp_path):
    place = tmp_path / "denoise"
    place.mkdir()
    write_json({"versions": {"dada2": "1.26.0"}, "arguments": {"dada": {"pool": False}}}, place / "versions.json")
    files = {"versions": [str(place / "versions.json")], "citations": ROOT / "resources" / "citations.tsv"}
    section = methods.methods(files, DEFAULTS)
    assert "dada2 1.26.0 (Callahan et al. 2016)" in section.notes[0]
    assert ["denoise", "dada2", "1.26.0"] in section.tables[0].frame.to_numpy().tolist()
    assert ["denoise", "dada", '{"pool": false}'] in section.tables[1].frame.to_numpy().tolist()
    assert section.tables[2].frame["doi"].str.contains("10.1038/nmeth.3869").any()
    assert not section.tables[2].frame["reference"].str.contains("IQ-TREE").any()


def test_an_at_sign_of_a_study_is_no_citation():
    assert methods.cited("age@birth and @mafft", CITATIONS.set_index("key")) == (
        "age@birth and (Katoh and Standley 2013)"
    )


PERMANOVA = pd.DataFrame(
    {
        "metric": ["bray_curtis", "bray_curtis"],
        "field": ["age", "diet"],
        "samples": [30, 30],
        "subjects": [10, 10],
        "permuted": ["within subjects", "subjects"],
        "r2": [0.2, 0.01],
        "pseudo_f": [5.0, 0.4],
        "p": [0.001, 0.7],
        "q": [0.002, 0.7],
        "dispersion_p": [None, 0.4],
        "note": ["", ""],
    }
)


def test_fields_with_and_without_a_difference_are_named():
    said = community._found(PERMANOVA)
    assert "Communities differ with age" in said
    assert "No difference with diet was found" in said
    assert community._found(PERMANOVA.assign(p=None)) == "No field of the metadata could be tested."


def test_taxa_are_shown_by_the_size_of_a_sound_effect():
    taxa = pd.DataFrame({"taxon": list("abc"), "log2_fold_change": [1.0, -3.0, 9.0], "q": [0.01, 0.001, 0.5]})
    assert list(community.differential_table(taxa)["taxon"]) == ["b", "a"]


# Model cards


def entry(value: float) -> dict:
    return {"value": value, "low": value - 1, "high": value + 1}


def test_the_card_of_a_predictor_says_data_splits_figures_limits_and_how_to_repeat_it(tmp_path):
    (tmp_path / "design.tsv").write_text("sample\tgroup\tage\na\tg1\t3\nb\tg2\t\nc\tg2\t5\n")
    (tmp_path / "encoding.json").write_text(json.dumps({"fields": {}, "targets": {"age": {"type": "regression"}}}))
    (tmp_path / "model.pt").write_bytes(b"weights")
    config = {"seed": 7, "metadata": {"group": ["subject"], "folds": 5}, "rarefy": {"depth": 2000}}
    models = {"aam": {"mae": entry(2.0)}, "random_forest": {"mae": entry(3.0), "r2": entry(0.5)}}
    found = {"target": "age", "models": models, "verdict": "no signal beyond the mean predictor."}
    card = cards.predictor_card("aam", config, found, tmp_path / "design.tsv", [tmp_path / "model.pt"])
    assert "2 samples with a known age, of 2 groups, 2000 reads drawn of each." in card
    assert "samples that share subject stay together" in card
    assert "| random forest | 3 (2 to 4) | 0.5 (-0.5 to 1.5) |" in card
    assert "no signal beyond the mean predictor." in card
    assert "`seed: 7`" in card
    assert hashlib.sha256(b"weights").hexdigest() in card
    assert "not causes" in card


def test_the_card_of_a_generator_says_what_its_samples_are_not_for(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    quality = {"model": "mlp", "training_samples": 40, "validation_samples": 8, "taxa": 90, "fields": ["age"]}
    found = {
        "n_real": 12,
        "groups": 4,
        "verdict": "the baseline is better.",
        "models": {"diffusion": {"auc": entry(2)}},
    }
    card = cards.generator_card({"seed": 0}, quality, found, tmp_path / "model.pt")
    assert card.startswith("# diffusion: communities")
    assert "Conditions: age." in card
    assert "the baseline is better." in card
    assert "nothing is more certain for being drawn more often" in card
    assert cards.generator_card({"seed": 0}, quality | {"model": "copula"}, found, tmp_path / "model.pt").startswith(
        "# copula"
    )


def test_the_card_of_forecasters_says_that_a_difference_is_no_effect(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    folds = {str(fold): {"training_subjects": 12 + fold, "held_out_subjects": 3} for fold in range(2)}
    quality = {"samples": 60, "subjects": 20, "taxa": 113, "folds": folds}
    bins = {"next sample": {"models": {"forecast": {"crps": entry(2)}, "persistence": {"crps": entry(3)}}}}
    found = {"tasks": 40, "subjects": 18, "bins": bins, "verdict": "Level."}
    config = {"seed": 3, "forecast": {"interventions": ["antibiotic"]}}
    card = cards.forecast_card(config, quality, found, tmp_path / "model.pt")
    assert "trained on 12 to 13 subjects, stopped and calibrated by 3 others" in card
    assert "Next sample:" in card
    assert "| persistence | 3 (2 to 4) |" in card
    assert "not the effect of a treatment" in card
    assert "hold for the times ahead that the tables name" in card
    assert "Planned interventions: antibiotic." in card
