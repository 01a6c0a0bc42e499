"""The whole chain on a tiny simulated cohort: it ends in a report, finds the truth, and runs only once."""

import re
import shutil
import zipfile

import biom
import numpy as np
import pandas as pd
import pytest
import yaml
from browser import chromium
from conftest import Chain
from test_report_page import CONTRASTS, OVERLAPS

from taxoscape import images, tables
from taxoscape.raster import invert, rasterize
from taxoscape.scoring.results import read_results

pytestmark = pytest.mark.slow


def test_a_second_run_has_nothing_to_do(chain):
    done = chain.run("--dry-run")
    assert "Nothing to be done" in done.stdout + done.stderr
    # With it a killed run goes on without further words, and the log of a failed job is shown.
    assert "Using workflow specific profile profiles/default" in done.stdout + done.stderr


def test_true_asvs_are_found_and_few_reads_are_false(chain):
    truth = tables.read_fasta(chain.study / "resources/demo/truth/asvs.fasta")
    counts = tables.read_tsv(chain.study / "resources/demo/truth/table.tsv", "truth").set_index("sample").astype(int)
    abundant = {asv for asv in counts.columns if counts[asv].sum() >= 50}
    found = tables.read_table(chain.result("denoise/table.biom"))
    reads = pd.Series(found.sum("observation"), index=found.ids("observation"))
    assert len(abundant & set(reads.index)) >= 0.95 * len(abundant)
    assert reads[~reads.index.isin(truth)].sum() <= 0.05 * reads.sum()


def test_images_turn_back_into_the_composition(chain):
    basis = images.load_basis(chain.result("images/basis.npz"))
    composition = np.load(chain.result("images/composition.npz"), allow_pickle=False)
    back = invert(rasterize(composition["values"], basis), basis)
    difference = images.composition_of(back, basis) - images.composition_of(composition["values"], basis)
    assert np.abs(difference).sum(axis=1).max() < 1e-4


def test_splits_and_folds_never_share_a_subject(chain):
    splits = pd.read_csv(chain.result("metadata/splits.tsv"), sep="\t", dtype={"sample": str})
    host = pd.read_csv(chain.study / "resources/demo/metadata.tsv", sep="\t").set_index("sample_id")["subject"]
    subjects = splits["sample"].map(host)
    assert (splits.groupby(subjects)["split"].nunique() == 1).all()
    assert (splits.groupby(subjects)["fold"].nunique() == 1).all()
    assert set(splits["split"]) == {"train", "validation", "test"}


def test_the_filter_and_the_export_lose_no_read_and_no_sample_without_a_word(chain):
    denoised, left = (tables.read_table(chain.result(f"{stage}/table.biom")) for stage in ("denoise", "filter"))
    removed = tables.read_tsv(chain.result("filter/removed.tsv"), "removed")
    assert left.sum() + removed["reads"].astype(int).sum() == denoised.sum()
    track = tables.read_tsv(chain.result("filter/track.tsv"), "track")
    assert track["lineage"].astype(int).sum() == left.sum()
    exported = biom.load_table(str(chain.result("export/table.biom")))
    assert exported.sum() == left.sum()
    ages = pd.read_csv(chain.study / "resources/demo/metadata.tsv", sep="\t", dtype=str, keep_default_na=False)
    ages = ages.set_index("sample_id")["age"]
    assert all(exported.metadata(sample)["age"] == ages[sample] for sample in exported.ids())
    assert (chain.result("export/phyloseq/load_phyloseq.R")).is_file()
    assert len(tables.read_tsv(chain.result("rarefy/repeats.tsv"), "repeats")) == 16


def test_generated_samples_hold_the_reads_that_other_taxa_leave_and_are_landscapes(chain):
    generated = biom.load_table(str(chain.result("diffusion/generated.biom")))
    assert (generated.sum("sample") <= 200).all()
    real, made = (
        images.load_composition(chain.result(name)) for name in ("images/composition.npz", "diffusion/generated.npz")
    )
    assert list(made["samples"]) == list(generated.ids())
    assert abs(np.median(made["kept"]) - np.median(real["kept"])) < 0.1
    assert set(made) == set(real)


@pytest.mark.parametrize("target", ["age", "diet"])
def test_every_sample_with_a_target_is_predicted_once_beside_baselines(chain, target):
    predictions = pd.read_csv(chain.result(f"aam/{target}/predictions.tsv"), sep="\t")
    assert list(predictions.columns[:4]) == ["sample", "fold", "truth", "prediction"]
    assert predictions["sample"].is_unique
    found = read_results(chain.result(f"aam/{target}/metrics.json"))
    assert found.main.n == len(predictions)
    assert {"aam", "random_forest"} < set(found.main.models)


def test_the_report_is_one_file_that_says_the_data_are_simulated(chain):
    html = chain.result("report/report.html").read_text()
    assert "These data are simulated" in html
    # It may lead elsewhere (the papers it cites), but fetches nothing.
    assert not re.search(r"""(<link|<script|<img|<iframe)[^>]*(src|href)=["']?(https?:)?//""", html)
    for stage in (
        "reads",
        "taxonomy",
        "phylogeny",
        "functions",
        "metadata",
        "embedding",
        "images",
        "aam",
        "phenotype",
        "diffusion",
    ):
        assert f'<section id="{stage}"' in html


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driven:
        yield driven


@pytest.mark.parametrize("width", [390, 1440])
def test_the_report_of_a_study_fits_and_its_links_lead_to_files(chain, browser, width):
    path = chain.result("report/report.html")
    browser.open(path, width=width)
    browser.run("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run(OVERLAPS) == []
    assert browser.run(CONTRASTS) == []
    assert browser.wait("return [...document.images].every((image) => image.complete)")
    assert browser.run("return [...document.querySelectorAll('main img')].every((image) => image.naturalWidth)")
    assert [entry for entry in browser.console() if entry["level"] == "SEVERE"] == []
    links = browser.run("return [...document.querySelectorAll('a')].map((link) => link.getAttribute('href'))")
    files = {link for link in links if not link.startswith(("#", "http"))}
    assert len(files) > 15
    assert [link for link in files if not (path.parent / link).is_file()] == []
    assert [link for link in links if link[0] == "#" and not browser.run(KNOWN, link[1:])] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", ["images/gallery.html", "forecast/course.html", "reads/reads.html"])
def test_pages_beside_the_report_fit_phones_and_wide_screens(chain, browser, name, width, dark):
    browser.open(chain.result(name), width=width, dark=dark)
    browser.run("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("return document.querySelectorAll('meta[name=viewport]').length") == 1
    assert browser.run(CONTRASTS) == []
    assert browser.run(OVERLAPS) == []
    assert [entry for entry in browser.console() if entry["level"] == "SEVERE"] == []


KNOWN = "return !!document.getElementById(arguments[0])"
# A row of the table of results in Snakemake's report, by its title, and what a click on one of its icons opens.
CLICK = """const row = [...document.querySelectorAll("tr")].find((one) => one.textContent.includes(arguments[0]));
    const icon = row && [...row.querySelectorAll("a")].find((one) => one.getAttribute("iconname") === arguments[1]);
    icon?.click(); return !!icon;"""


def test_snakemakes_own_report_works_offline_with_captions(chain, browser, tmp_path):
    path = tmp_path / "snakemake.html"
    done = chain.run("--report", str(path))
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    browser.open(path)
    browser.wait("return document.body.innerText.includes('5 Landscapes')")
    assert "beside honest baselines" in browser.run("return document.body.innerText")
    browser.run("[...document.querySelectorAll('span')].find((one) => one.textContent === '5 Landscapes').click()")
    browser.wait("return document.body.innerText.includes('The map of taxa')")
    assert browser.run(CLICK, "The map of taxa", "eye")
    browser.wait("return [...document.images].some((image) => image.naturalWidth > 1000)")
    assert browser.run(CLICK, "The map of taxa", "information-circle")
    browser.wait("return document.body.innerText.includes('Clades should form patches')")
    fetched = "return performance.getEntriesByType('resource').filter((one) => /^http/.test(one.name)).length"
    assert browser.run(fetched) == 0
    assert [entry for entry in browser.console() if entry["level"] == "SEVERE"] == []


def test_snakemakes_report_is_an_archive_too(chain, tmp_path):
    path = tmp_path / "snakemake.zip"
    done = chain.run("--report", str(path))
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    names = zipfile.ZipFile(path).namelist()
    assert any(name.endswith("report.html") for name in names)
    assert any(name.endswith("gallery.html") for name in names)


def test_a_table_without_sequences_reaches_the_report(chain, tmp_path):
    for name in ("denoise/table.biom", "phylogeny/tree.nwk", "taxonomy/taxonomy.tsv"):
        shutil.copy(chain.result(name), tmp_path)
    shutil.copy(chain.study / "resources/demo/metadata.tsv", tmp_path)
    config = yaml.safe_load(chain.config.read_text())
    config |= {
        "input": {"kind": "table", "table": "table.biom", "tree": "tree.nwk", "taxonomy": "taxonomy.tsv"},
        "functions": {"method": "none"},
    }
    config["metadata"] |= {
        "file": "metadata.tsv",
        "group": ["subject"],
        "fields": {"age": {"type": "continuous", "unit": "years"}},
        "targets": {"diet": "classification"},
    }
    config["aam"]["enabled"] = config["forecast"]["enabled"] = False
    config["diffusion"]["model"] = "copula"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    other = Chain(chain.repository, tmp_path, path)
    done = other.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    html = other.result("report/report.html").read_text()
    assert "These data are simulated" not in html
    assert "No functional profiles were made" in html
    assert (tables.read_table(other.result("denoise/table.biom")).shape[1]) == 16


def test_an_unknown_key_stops_before_any_job_with_one_line(chain, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(chain.config.read_text() + "imagse: {size: 32}\n")
    done = chain.run(config=bad)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert "unknown config key 'imagse': did you mean 'images'?" in lines[0]
    assert "Traceback" not in done.stderr
