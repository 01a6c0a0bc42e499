"""The report: every name escaped, numbers as a reader wants them, losses and verdicts said plainly."""

import copy
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from taxoscape.digest import ROOT
from taxoscape.files import write_json, write_tsv
from taxoscape.filter import STEPS
from taxoscape.palette import UNASSIGNED, choose_clades
from taxoscape.report import (
    cards,
    community,
    compared,
    downloads,
    figures,
    generated,
    measured,
    methods,
    predicted,
    sequences,
    words,
)
from taxoscape.report.cells import format_cell, interval, plain_lineage
from taxoscape.report.paragraphs import PARAGRAPHS
from taxoscape.report.parts import CAPTIONS, Check, Section, Table, caption, drawn, page
from taxoscape.scoring.results import Comparison, Results, Verdict, write_results

TEMPLATES = ROOT / "workflow" / "report" / "report"
CONTENT = {
    "title": "t",
    "subtitle": "s",
    "simulated": False,
    "note": None,
    "tiles": [("1", "sample")],
    "ran": [("Input", "reads")],
    "sections": [],
    "downloads": {},
    "settings": "seed: 0",
    "words": words.WORDS,
    "anchor": words.anchor,
    "explained": words.explained,
    "version": "0",
}


def render(**changes: object) -> str:
    return page(TEMPLATES, **(CONTENT | changes))


@pytest.mark.parametrize("place", ["title", "subtitle", "settings", "note"])
def test_no_name_becomes_markup(place):
    html = render(**{place: "<script>alert(1)</script>"})
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_names_in_tables_and_captions_are_escaped():
    frame = pd.DataFrame({"sample": ['<img src=x onerror="y">']})
    section = Section("reads", "Reads", "lead <b>", tables=[Table("caption <i>", frame)])
    html = render(sections=[section])
    assert "<img src=x" not in html
    assert "<b>" not in html.split("lead")[1][:20]


def test_a_template_that_lacks_a_value_fails():
    with pytest.raises(Exception, match="undefined"):
        page(TEMPLATES, title="only")


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
    assert table.closed
    assert "20 more rows" in render(sections=[Section("a", "A", "", tables=[table])])


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", "2.5"], True),
        (["-0.62 (-2.19 to 1.03)", ""], True),
        (["61.3%", "100.0%"], True),
        (["0.21 *", "1e-07"], True),
        (["not defined", "1.5 (1 to 2)"], True),
        (["240 and 160"], False),
        (["1", "none"], False),
        (["", ""], False),
    ],
)
def test_columns_of_numbers_are_told_from_texts(cells, numeric):
    assert Table("c", pd.DataFrame({"x": cells})).numeric == [numeric]


@pytest.mark.parametrize("name", sorted(path.stem for path in CAPTIONS.glob("*.rst")))
def test_every_caption_has_a_title_and_says_what_to_see(name):
    title, text = caption(name)
    assert len(title) < 60
    assert not title.endswith(".")
    assert len(text) > 60
    assert text.endswith(".")


def test_every_caption_is_of_a_figure():
    places = [*(ROOT / "taxoscape" / "report").glob("*.py"), *(ROOT / "workflow" / "rules").glob("*.smk")]
    code = "".join(path.read_text() for path in places)
    unused = {path.stem for path in CAPTIONS.glob("*.rst")} - set(re.findall(r'"([a-z_]+)"', code))
    assert not unused, f"no figure bears {unused}"


def test_every_figure_and_page_that_a_rule_writes_is_in_snakemakes_report():
    found = 0
    for rules in (ROOT / "workflow" / "rules").glob("*.smk"):
        for outputs in re.findall(r"output:(.*?)log:", rules.read_text(), re.DOTALL):
            for before, path in re.findall(r'(\w+\()?\s*"(results/[^"]+\.(?:png|html))"', outputs):
                assert before == "shown(", f"{path} of {rules.name} is not shown by snakemake --report"
                found += 1
    assert found > 20


@pytest.mark.parametrize(
    ("lineage", "said"),
    [
        ("k__Bacteria; p__Firmicutes; g__", "Bacteria › Firmicutes"),
        ("d__Bacteria", "Bacteria"),
        ("Unassigned", "Unassigned"),
        ("k__; p__", "unassigned"),
    ],
)
def test_lineages_are_written_for_people(lineage, said):
    assert plain_lineage(lineage) == said


@pytest.mark.parametrize(
    ("heading", "word"),
    [
        ("R2", "R2"),
        ("Bray-Curtis", "Bray-Curtis"),
        ("NSTI, mean over reads", "NSTI"),
        ("ASVs", "ASV"),
        ("mean absolute error", "mean absolute error"),
        ("CRPS per taxon (log-ratios)", "CRPS"),
        ("sample", None),
        ("mean", None),
    ],
)
def test_headings_are_explained_by_their_word(heading, word):
    assert words.explained(heading) == word


def test_words_have_anchors_of_their_own():
    anchors = [words.anchor(word) for word in words.WORDS]
    assert len(set(anchors)) == len(anchors)


def test_files_are_linked_from_where_the_page_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ["results/export/table.biom", "results/aam/body mass/predictions.tsv", "results/other.txt"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * 1_400_000)
    found = downloads.downloads(paths)
    assert list(found) == ["Study", "Learned"]
    entry = found["Learned"][0]
    assert entry.address == "../aam/body mass/predictions.tsv"
    assert entry.about.startswith("body mass: ")
    assert entry.size == "1.4 MB"


def test_every_file_that_the_rule_hands_over_is_linked(tmp_path, monkeypatch):
    rule = (ROOT / "workflow" / "rules" / "report.smk").read_text()
    asked = rule[rule.index("DOWNLOADS = [") : rule.index("rule write_report")]
    for pattern, *_ in downloads.FILES:
        assert Path(pattern).name in asked, f"{pattern} is never handed over"


def test_what_is_missed_is_named_with_its_threshold():
    checks = [Check("a", "1", "2", False), Check("b", "1", "1", True), Check("c", "1", "none", None)]
    section = Section("s", "S", "", checks=checks, warnings=["w."])
    assert section.attention == ["w.", "a: 1 (threshold: 2)."]
    html = render(sections=[section])
    assert "2 to look at" in html
    assert [f">{mark}<" in html for mark in ("look here", "met", "for information")] == [True] * 3


def test_phyla_are_shares_of_reads_in_the_colours_of_the_study():
    table = biom.Table(np.array([[6.0, 0], [2, 1], [1, 2], [1, 1]]), list("abcd"), ["s1", "s2"])
    lineages = pd.Series({"a": "k__B; p__X; c__1", "b": "k__B; p__Y", "c": "k__B; p__X", "d": "k__B"})
    shares = measured.phylum_shares(table, lineages, choose_clades(lineages, [1, 9, 1, 5]))
    assert list(shares.columns) == ["Y", "X", "unassigned"]
    np.testing.assert_allclose(shares.to_numpy(), [[0.2, 0.7, 0.1], [0.25, 0.5, 0.25]])
    clades = choose_clades(lineages, [1, 9, 1, 5])
    bars = figures.phylum_bars(shares, clades).axes[0].patches
    drawn_as = {bar.get_label(): to_hex(bar.get_facecolor()).upper() for bar in bars}
    assert drawn_as == {**clades.colours["phylum"], "unassigned": UNASSIGNED.upper()}
    np.testing.assert_allclose(bars[1].get_data().baseline, [25, 20])  # s2 has more of Y, and stands first
    np.testing.assert_allclose(bars[1].get_data().values, [75, 90])


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
    return drawn(Figure(figsize=(0.1, 0.1)), "taxa").png


def test_samples_that_lost_all_reads_are_named(tmp_path):
    track = pd.DataFrame({"sample": ["good", "lost"]} | dict.fromkeys(figures.STEPS, [100, 100]))
    track["filtered"] = [100, 0]
    for step in ("denoised_forward", "denoised_reverse", "merged", "nonchimeric"):
        track[step] = [80, 0]
    for step in STEPS:
        track[step] = [80, 0]
    write_tsv(track, tmp_path / "track.tsv")
    write_tsv(pd.DataFrame(columns=["sample", "reads", "why"]), tmp_path / "dropped.tsv")
    write_tsv(
        pd.DataFrame({"step": ["lineage"], "setting": ["exclude"], "value": ["x"], "asvs": [3], "reads": [9]}),
        tmp_path / "filtered.tsv",
    )
    files = {name: tmp_path / f"{name}.tsv" for name in ("track", "dropped", "filtered")}
    files["error_plots"] = [str(tmp_path / "quality_plot.png")]
    for name in ("quality_plot", "depths_plot"):
        files[name] = tmp_path / f"{name}.png"
        files[name].write_bytes(dot())
    depth = {"depth": 10, "chosen": True, "keep": 0.9, "samples": 2, "kept": 1, "share_of_reads": 0.5}
    write_json(depth | {"reads": {"smallest": 5, "median": 40.0, "largest": 80}}, tmp_path / "depth.json")
    write_json(TRUNCATION, tmp_path / "truncation.json")
    files |= {name: tmp_path / f"{name}.json" for name in ("depth", "truncation")}
    section = sequences.reads(files, DEFAULTS)
    assert section.warnings == ["1 sample lost all their reads: lost."]
    assert len(section.figures) == 2
    assert len(section.folded) == 1
    facts = dict(section.facts)
    assert facts["Came in"] == "200 reads (pairs count once) of 2 samples."
    assert facts["Lost"].startswith("60.0% of them: 50.0% at the quality filter")
    assert [check.good for check in section.checks] == [False, True, True, False]
    section = sequences.selection(files, DEFAULTS)
    assert "10 reads were drawn of every sample" in section.lead
    assert "chosen to keep 90% of the samples" in section.lead
    assert section.checks[0].good is False


def test_the_truncation_used_stands_beside_the_suggested_one(tmp_path):
    write_json(TRUNCATION, tmp_path / "truncation.json")
    row = sequences.truncation_table(tmp_path / "truncation.json").iloc[0]
    assert row["used, nt"] == "230 and 150"
    assert row["used: passes the filter"] == "91.0%"
    assert row["suggested, nt"] == ""


def test_numbers_of_a_table_become_numbers_and_texts_stay():
    frame = sequences.numbers(pd.DataFrame({"name": ["7a", "8"], "p": ["0.01", ""], "why": ["", ""]}))
    assert frame["p"].iloc[0] == 0.01
    assert pd.isna(frame["p"].iloc[1])
    assert list(frame["name"]) == ["7a", "8"]
    assert list(frame["why"]) == ["", ""]


def entry(value: float, width: float = 1.0) -> dict:
    return {"value": value, "low": value - width, "high": value + width}


def results(
    models: dict[str, dict[str, dict]], judged: str, metric: str, differences: dict | None = None, **details: object
) -> Results:
    """Results of one comparison on 40 samples of 12 groups."""
    part = Comparison("all samples", judged, metric, 40, 12, models, differences or {})
    said = Verdict("level", "signal; level with the forest", "better than chance.")
    return Results("stage", "age", "regression", "years", [part], said, {"folds": 5, "repeats": 1} | details)


def test_models_are_in_one_table_with_their_intervals():
    models = {"aam": {"mae": entry(1), "r2": entry(0.5)}, "random_forest": {"mae": entry(3)}}
    models["stack"] = {"mae": entry(0)}
    gaps = {"random_forest": {"mae": entry(-2)}, "stack": {"mae": entry(2)}}
    table = compared.models_table(results(models, "aam", "mae", gaps).main, "age")
    assert list(table.frame.columns) == ["model", "mean absolute error", "AAM minus it", "AAM is", "R2"]
    rows = table.frame.to_numpy().tolist()
    assert rows[0] == ["attention model (AAM)", "1 (0 to 2)", "", "", "0.5 (-0.5 to 1.5)"]
    assert rows[1] == ["random forest", "3 (2 to 4)", "-2 (-3 to -1)", "better", ""]
    assert rows[2] == ["mean of AAM and random forest", "0 (-1 to 1)", "2 (1 to 3)", "worse", ""]
    assert table.caption == "age. In the difference, below 0 means that AAM is better"
    high = results({"aam": {"accuracy": entry(1)}}, "aam", "accuracy").main
    assert compared.models_table(high, "age").caption.endswith("above 0 means that AAM is better")


def test_metrics_are_in_one_table_with_their_best_value():
    models = {"diffusion": {"copying": entry(2)}, "copula": {"richness_ks": entry(3)}}
    part = results(models, "diffusion", "copying").main
    frame = compared.metrics_table(part, "generators").frame
    assert list(frame.columns) == ["metric", "best value", "diffusion", "Gaussian copula"]
    assert frame.iloc[0].tolist() == ["copying, from 0 (a fresh draw) to 1 (a copier)", "0", "2 (1 to 3)", ""]
    assert len(frame) == 2


def test_coverage_is_checked_by_its_interval_or_by_a_range():
    shares = {"coverage_50": entry(0.58, 0.05), "coverage_90": entry(0.9, 0.01)}
    part = results({"m": shares}, "m", "coverage_50").main
    assert [check.good for check in compared.coverage_checks(part, "age")] == [False, True]
    ranges = {"coverage_50": (0.4, 0.6), "coverage_90": (0.91, 0.95)}
    assert [check.good for check in compared.coverage_checks(part, "age", ranges)] == [True, False]
    assert compared.coverage_checks(results({"m": {}}, "m", "mae").main, "age") == []


def test_sizes_name_folds_and_repeats_where_there_are_such():
    part = results({}, "m", "mae").main
    assert compared.size(part, {}) == "40 samples of 12 groups"
    assert compared.size(part, {"folds": 5, "repeats": 2}) == "40 samples of 12 groups, 5 folds in 2 repeats"


def test_verdicts_are_those_of_the_results():
    said = compared.verdict(results({}, "m", "mae"), "aam", "age", "short.")
    assert (said.about, said.mark, said.kind) == ("age", "signal; level with the forest", "level")
    assert (said.text, said.short) == ("better than chance.", "short.")


def test_figures_are_the_same_bytes_twice():
    values = pd.DataFrame({"value": [1.0, 2.0], "low": [0.5, 1.5], "high": [1.5, 2.5]}, index=["aam", "mean"])
    first, second = (drawn(figures.model_intervals(values, "aam", "error"), "models").png for _ in range(2))
    assert first == second


def test_distributions_are_shown_next_to_their_baselines(tmp_path):
    shares = {"coverage_50": entry(0.9, 0.1), "coverage_90": entry(0.9, 0.1)}
    own = {"crps": entry(1.5, 0.5), "mae": entry(1.5, 0.5)} | shares
    other = {"crps": entry(1.5, 0.5), "mae": entry(np.nan)}
    gaps = {"random_forest": {"crps": entry(1.5, 0.5)}}
    found = results({"diffusion": own, "random_forest": other}, "diffusion", "crps", gaps)
    write_results(found, tmp_path / "metrics.json")
    (tmp_path / "dot.png").write_bytes(dot())
    files = {"phenotype": {"age": tmp_path / "metrics.json"}}
    files |= dict.fromkeys(("phenotype_plots", "calibration_plots"), {"age": tmp_path / "dot.png"})
    section = predicted.phenotype(files, DEFAULTS)
    assert [verdict.text for verdict in section.verdicts] == ["better than chance."]
    models = section.tables[0].frame
    assert list(models.columns[:4]) == ["model", "CRPS", "diffusion minus it", "diffusion is"]
    assert list(models.iloc[1])[:4] == ["random forest", "1.5 (1 to 2)", "1.5 (1 to 2)", "worse"]
    assert models.iloc[1, 4] == "not defined"
    assert len(section.figures) == 2
    assert [check.good for check in section.checks] == [False, True]


def test_predictions_are_shown_with_every_comparison(tmp_path):
    models = {"aam": {"mae": entry(1)}, "random_forest": {"mae": entry(3)}}
    found = results(models, "aam", "mae", {"random_forest": {"mae": entry(-2)}})
    unseen = replace(found.main, name="samples with unseen ASVs", n=9)
    interval = {"nominal": 0.9, "covered": 0.8, "width": 3.0}
    details = found.details | {"interval": interval}
    write_results(replace(found, comparisons=[found.main, unseen], details=details), tmp_path / "metrics.json")
    (tmp_path / "dot.png").write_bytes(dot())
    files = {"metrics": {"age": tmp_path / "metrics.json"}}
    files |= dict.fromkeys(("prediction_plots", "attribution_plots"), {"age": tmp_path / "dot.png"})
    section = predicted.predictions(files, DEFAULTS)
    assert dict(section.facts)["Came in, age"] == "40 samples of 12 groups, 5 folds."
    captions = [table.caption.split(".")[0] for table in section.tables]
    assert captions[1] == "age: samples with unseen ASVs (9 samples of 12 groups)"
    assert [table.folded for table in section.tables] == [False, True]
    assert [check.good for check in section.checks] == [False]
    assert len(section.figures) == 2


def test_generated_communities_are_shown_with_their_use(tmp_path):
    own = {"two_sample_auc": entry(0.6, 0.05), "copying": entry(0.1, 0.1)}
    found = results({"diffusion": own, "copula": own}, "diffusion", "two_sample_auc", n_generated=50, n_training=80)
    learned = results({"training": {"mae": entry(1)}, "diffusion": {"mae": entry(3)}}, "training", "mae").main
    learned = replace(learned, name="learned from generated samples: age")
    write_results(replace(found, comparisons=[found.main, learned]), tmp_path / "generation.json")
    (tmp_path / "dot.png").write_bytes(dot())
    files = {"generation": tmp_path / "generation.json", "generation_plots": [tmp_path / "dot.png"] * 3}
    section = generated.generation(files, DEFAULTS)
    assert dict(section.facts)["Learned from"] == "80 training samples."
    assert [check.good for check in section.checks] == [True, False, True]
    assert list(section.tables[0].frame["metric"])[0] == "AUC of a classifier, generated or real"
    assert section.tables[1].frame.iloc[0, 0] == "training samples (the best there is)"


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
    assert "10.1038/nmeth.3869" in [doi for _, doi in section.references]
    assert not any("IQ-TREE" in reference for reference, _ in section.references)


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
    said = community.found_between(PERMANOVA)
    assert "Communities differ with age" in said
    assert "No difference with diet was found" in said
    assert community.found_between(PERMANOVA.assign(p=None)) == "No field of the metadata could be tested."


def test_tests_are_crossed_and_marked_where_q_is_small():
    table = community.crossed(PERMANOVA, "metric", community.METRICS, "r2")
    assert list(table.columns) == ["field", "compared", "Bray-Curtis"]
    assert sorted(table["Bray-Curtis"]) == ["0.01", "0.2 *"]


def test_what_could_not_be_tested_says_why():
    tests = PERMANOVA.assign(p=[0.001, None], note=["", "too few"])
    assert community.untested(tests) == ["diet (subjects): too few."]


def test_a_study_of_which_nothing_was_compared_has_its_section(tmp_path):
    """As of more samples than diversity.max_samples: the tables have lines, and no figure in any of them."""
    empty = {"r2": "", "pseudo_f": "", "p": "", "q": "", "dispersion_p": "", "note": "too many samples"}
    alpha = dict.fromkeys(("metric", "field", "samples", "subjects", "permuted"), "x") | empty
    alpha |= {"measure": "richness", "test": "", "statistic": "", "effect": ""}
    files = {"permanova": tmp_path / "permanova.tsv", "alpha_tests": tmp_path / "alpha.tsv"}
    write_tsv(pd.DataFrame([PERMANOVA.iloc[0].to_dict() | empty]), files["permanova"])
    write_tsv(pd.DataFrame([alpha]), files["alpha_tests"])
    files["differential_table"] = tmp_path / "taxa.tsv"
    columns = ["taxon", "field", "contrast", "log2_fold_change", "low", "high", "q", "prevalence", "mean_share"]
    write_tsv(pd.DataFrame(columns=columns), files["differential_table"])
    for name in (*community.FIGURES, *community.FOLDED):
        files[name] = tmp_path / f"{name}.png"
        files[name].write_bytes(dot())
    section = community.diversity(files, {"diversity": {"differential": "ancombc2"}})
    assert "No field of the metadata could be tested" in section.lead
    assert section.facts == [("Not tested", "age (within subjects): too many samples.")]


def test_taxa_are_shown_by_the_size_of_a_sound_effect():
    taxa = pd.DataFrame({"taxon": ["k__B; g__a", "k__B; g__b", "g__c"], "log2_fold_change": [1.0, -3.0, 9.0]})
    taxa = taxa.assign(q=[0.01, 0.001, 0.5], low=0.0, high=1.0, field="age", contrast="x", prevalence=0.5)
    taxa["mean_share"] = 0.1
    table = community.differential_table(taxa)
    assert list(table["taxon"]) == ["b", "a"]
    assert list(table["of"]) == ["B", "B"]
    assert table["log2 fold change"].iloc[0] == "-3 (0 to 1)"


# Model cards


def test_the_card_of_a_predictor_says_data_splits_figures_limits_and_how_to_repeat_it(tmp_path):
    (tmp_path / "design.tsv").write_text("sample\tgroup\tage\na\tg1\t3\nb\tg2\t\nc\tg2\t5\n")
    (tmp_path / "encoding.json").write_text(json.dumps({"fields": {}, "targets": {"age": {"type": "regression"}}}))
    (tmp_path / "model.pt").write_bytes(b"weights")
    config = {"seed": 7, "metadata": {"group": ["subject"], "folds": 5}, "rarefy": {"depth": 2000}}
    models = {"aam": {"mae": entry(2.0)}, "random_forest": {"mae": entry(3.0), "r2": entry(0.5)}}
    found = results(models, "aam", "mae")
    data = cards.predictor_data(found, config, tmp_path / "design.tsv")
    card = cards.card("aam", found, data, config, [tmp_path / "model.pt"])
    assert "2 samples with a known age, of 2 groups, 2000 reads drawn of each." in card
    assert "samples that share subject stay together" in card
    assert "| model | mean absolute error | R2 |\n| --- | --- | --- |\n| attention model (AAM) |" in card
    assert "| random forest | 3 (2 to 4) | 0.5 (-0.5 to 1.5) |" in card
    assert "better than chance." in card
    assert "`seed: 7`" in card
    assert hashlib.sha256(b"weights").hexdigest() in card
    assert "not causes" in card


def test_the_card_of_a_generator_says_what_its_samples_are_not_for(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    quality = {"model": "mlp", "training_samples": 40, "validation_samples": 8, "taxa": 90, "fields": ["age"]}
    found = results({"diffusion": {"two_sample_auc": entry(2)}}, "diffusion", "two_sample_auc")
    data = cards.generator_data(found, quality)
    card = cards.card("diffusion", found, data, {"seed": 0}, [tmp_path / "model.pt"])
    assert card.startswith("# diffusion: ")
    assert "40 training samples, 8 that stopped training, 40 held-out ones of 12 groups" in card
    assert "Conditions: age." in card
    assert "better than chance." in card
    assert "nothing is more certain for being drawn more often" in card
    assert cards.card("copula", found, data, {"seed": 0}, [tmp_path / "model.pt"]).startswith("# copula")


def test_the_card_of_forecasters_says_that_a_difference_is_no_effect(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    folds = {str(fold): {"training_subjects": 12 + fold, "held_out_subjects": 3} for fold in range(2)}
    quality = {"samples": 60, "subjects": 20, "taxa": 113, "folds": folds}
    found = results({"forecast": {"crps": entry(2)}, "persistence": {"crps": entry(3)}}, "forecast", "crps")
    found = replace(found, comparisons=[replace(found.main, name="next sample")], details={"tasks": 40, "subjects": 18})
    config = {"seed": 3, "forecast": {"interventions": ["antibiotic"]}}
    card = cards.card("forecast", found, cards.forecast_data(found, config, quality), config, [tmp_path / "model.pt"])
    assert "trained on 12 to 13 subjects, stopped and calibrated by 3 others" in card
    assert "Next sample:" in card
    assert "| persistence | 3 (2 to 4) |" in card
    assert "not the effect of a treatment" in card
    assert "hold for the times ahead that the tables name" in card
    assert "Planned interventions: antibiotic." in card
