"""The gallery: what it holds is what the stages computed, it escapes every text, and it works in a real browser."""

import re

import numpy as np
import pandas as pd
import pytest
from browser import chromium, unpack
from test_raster import make_basis

from taxoscape import raster
from taxoscape.digest import ROOT
from taxoscape.palette import choose_clades
from taxoscape.previews import contrast, courses, gallery, payload

TEMPLATES = ROOT / "workflow" / "report" / "gallery"
HOSTILE = "</script><script>window.stolen=1</script><img src=x onerror='window.stolen=1'>"
FAMILIES = ["Bifidobacteriaceae", "Lachnospiraceae", "Enterobacteriaceae", "Bacteroidaceae"]
NOTE = "Gene content was inferred."


def study(taxa=40, subjects=12, visits=3, seed=0, name="s{}"):
    """Basis, composition, lineages, design, encoding and training samples of a made-up study."""
    rng = np.random.default_rng(seed)
    basis = make_basis(taxa, channels=16)
    count = subjects * visits
    counts = rng.multinomial(1000, rng.dirichlet(np.full(taxa, 0.3), count))
    logs = np.log(counts + 0.5)
    stored = {
        "samples": np.array([name.format(i) for i in range(count)]),
        "values": logs - logs.mean(axis=1, keepdims=True),
        "counts": counts,
        "depth": np.int64(1100),
        "kept": np.full(count, 1000 / 1100),
    }
    lineages = [f"k__B; p__P{i % 4}; c__C{i % 4}; o__O{i % 4}; f__{FAMILIES[i % 4]}; g__Genus{i}" for i in range(taxa)]
    design = pd.DataFrame(
        {
            "group": [f"person {i // visits}" for i in range(count)],
            "time": np.tile(np.arange(visits, dtype=float)[::-1], subjects),
            "age": rng.normal(40, 10, count),
            "diet": np.where(np.arange(count) % (2 * visits) < visits, "milk", "bread"),
        },
        index=stored["samples"],
    )
    encoding = {
        "targets": {"age": {"type": "regression", "unit": "years"}},
        "fields": {"diet": {"type": "categorical", "categories": ["bread", "milk"]}},
        "time": {"column": "day", "unit": "days"},
        "group": ["host_id"],
    }
    return basis, stored, lineages, design, encoding, np.arange(count) < count - visits


def gathered(basis, stored, lineages, design, encoding, train, most=1000):
    clades = choose_clades(lineages, stored["counts"].sum(axis=0))
    return gallery.gather(basis, stored, lineages, design, encoding, train, most, clades, 0)


def written(path, made=None, most=1000, functions=NOTE, simulated=False):
    basis, stored, lineages, design, encoding, train = made or study()
    content, arrays = gathered(basis, stored, lineages, design, encoding, train, most)
    groups, compared = gallery.compare(stored["counts"][train], basis, design[train], encoding, 0)
    words = {"simulated": simulated, "functions": functions, "studied": len(stored["samples"])}
    path.write_text(gallery.page(TEMPLATES, content | groups, arrays | compared, **words))
    return path


# --- what is packed ---


def test_what_is_packed_is_unpacked_and_packed_the_same_each_time():
    arrays = {"a": np.arange(5, dtype=np.uint8), "b": np.array([[1.5, -2.0]], dtype=np.float32)}
    arrays |= {"none": np.zeros((0, 5), dtype=np.float32), "c": np.array([70_000], dtype=np.uint32)}
    content = {"words": ["</script>", "Ångström \u2028"], "number": None}
    text = payload.pack(content, arrays)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", text)
    assert text == payload.pack(content, arrays)
    returned, found = unpack(text)
    assert returned == content
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_kinds_that_browsers_cannot_read_are_refused():
    with pytest.raises(ValueError, match="x is float64"):
        payload.pack({}, {"x": np.zeros(2)})
    with pytest.raises(ValueError, match="int64"):
        payload.pack({}, {"x": np.zeros(2, dtype=np.int64)})


@pytest.mark.parametrize(("most", "kind"), [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65_536, "uint32")])
def test_counts_take_the_smallest_kind_that_holds_them(most, kind):
    counts = payload.whole_numbers(np.array([0, most]))
    assert counts.dtype == kind
    assert counts[1] == most


def test_subjects_are_shown_with_all_their_samples_or_not_at_all():
    groups = pd.Series(list("aabbbccdddd"))
    assert list(gallery.whole_groups(groups, 11)) == list(range(11))
    for most in range(4, 11):
        shown = gallery.whole_groups(groups, most)
        assert 0 < len(shown) <= most
        assert not set(groups[shown]) & set(groups.drop(shown))
    assert list(gallery.whole_groups(pd.Series(["a"] * 5), 3)) == [0, 2, 4]


def test_samples_of_a_subject_stand_in_the_order_of_time_those_without_one_last():
    basis, stored, lineages, design, encoding, train = study(subjects=3)
    design.iloc[1, design.columns.get_loc("time")] = np.nan
    content, arrays = gathered(basis, stored, lineages, design, encoding, train)
    assert [subject["samples"] for subject in content["subjects"]] == [[2, 0, 1], [5, 4, 3], [8, 7, 6]]
    assert content["whens"][:3] == ["2 days", "", "0 days"]
    np.testing.assert_array_equal(arrays["counts"], stored["counts"])


def test_clades_that_have_most_reads_get_colours_of_their_own():
    basis, stored, lineages, *rest = study()
    lineages = [f"k__B; p__P{i}" for i in range(40)]
    content, _ = gathered(basis, stored, lineages, *rest)
    phylum = content["ranks"][0]
    mean = stored["counts"].sum(axis=0)
    assert phylum["clades"] == [f"P{i}" for i in np.argsort(-mean)[:8]] + ["other"]
    assert len(set(phylum["colours"])) == 9
    assert phylum["others"] == 32
    assert [phylum["clades"][of] for of in phylum["of"]].count("other") == 32


# --- differences ---


def two_groups(n=60, shift=1.0, seed=0):
    rng = np.random.default_rng(seed)
    second = np.arange(n) % 2 == 1
    values = rng.normal(size=(n, 200)) + shift * second[:, None] * np.log(2)
    return values, contrast.Contrast(~second, second, "first", "second"), np.array([f"p{i}" for i in range(n)])


def test_the_difference_is_in_doublings_and_its_interval_as_wide_as_theory_says():
    values, groups, subjects = two_groups(n=200)
    found = contrast.difference(values, groups, subjects, 0)
    first, second = values[groups.first], values[groups.second]
    np.testing.assert_allclose(found.mean, (second.mean(axis=0) - first.mean(axis=0)) / np.log(2))
    error = np.sqrt(first.var(axis=0, ddof=1) / 100 + second.var(axis=0, ddof=1) / 100) / np.log(2)
    np.testing.assert_allclose((found.high - found.low).mean(), 2 * 1.96 * error.mean(), rtol=0.03)
    assert np.mean((found.low < 1) & (found.high > 1)) == pytest.approx(0.95, abs=0.05)


def test_more_samples_of_the_same_subjects_make_nobody_surer():
    values, groups, subjects = two_groups()
    once = contrast.difference(values, groups, subjects, 0)
    many = contrast.Contrast(np.repeat(groups.first, 9), np.repeat(groups.second, 9), "first", "second")
    again = contrast.difference(np.repeat(values, 9, axis=0), many, np.repeat(subjects, 9), 0)
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(again, name), getattr(once, name))
    assert again.subjects == (30, 30)


def test_subjects_in_both_groups_are_drawn_together():
    """Each subject before and after: the interval is that of the paired differences, whatever subjects differ by."""
    rng = np.random.default_rng(0)
    before = 20 * rng.normal(size=(40, 1)) + np.zeros((40, 50))
    values = np.concatenate([before, before + 0.1 * rng.normal(size=(40, 50))])
    groups = contrast.Contrast(np.arange(80) < 40, np.arange(80) >= 40, "before", "after")
    found = contrast.difference(values, groups, np.tile(np.arange(40), 2), 0)
    assert (found.high - found.low).max() < 0.2


def test_too_few_subjects_have_no_interval():
    values, groups, _ = two_groups()
    found = contrast.difference(values, groups, np.repeat(list("abcd"), 15), 0)
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()
    assert np.isfinite(found.mean).all()


def test_groups_come_from_targets_and_fields_the_strongest_first():
    basis, stored, lineages, design, encoding, train = study()
    content, arrays = gallery.compare(stored["counts"], basis, design, encoding, 0)
    assert [entry["names"] for entry in content["groups"]].count(["diet bread", "diet milk"]) == 1
    assert len(content["groups"]) == 2
    assert arrays["differences"].shape == (2, 5, 40)
    nothing = {"targets": {}, "fields": {}, "time": None, "group": []}
    content, arrays = gallery.compare(stored["counts"], basis, design, nothing, 0)
    assert (content["groups"], content["subject"], arrays["differences"].shape) == ([], "sample", (0, 5, 40))


# --- courses ---


def test_a_course_is_the_mean_of_each_stretch_of_time():
    time = np.repeat([0.0, 1.0, 5.0], 20)
    time[7] = np.nan
    design = pd.DataFrame({"time": time, "diet": np.tile(["milk", "bread"], 30), "rare": ["x"] * 58 + ["y"] * 2})
    design["group"] = [f"person {i % 20}" for i in range(60)]
    members = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    encoding = {
        "targets": {},
        "fields": {"diet": {"categories": ["bread", "milk"]}, "rare": {"categories": ["x", "y"]}},
    }
    encoding["time"] = {"column": "day", "unit": "days"}
    shares = np.random.default_rng(0).dirichlet(np.ones(4), 60)
    found, means = courses.mean_courses(shares, 2 * shares, members, design, encoding, 0)
    assert [course["name"] for course in found] == ["all training samples", "diet: bread", "diet: milk", "rare: x"]
    assert [step["when"] for step in found[0]["steps"]] == ["0 to 0 days", "1 to 5 days"]
    assert [step["samples"] for step in found[0]["steps"]] == [19, 40]
    np.testing.assert_allclose(means["mean_shares"][1], shares[20:].mean(axis=0), rtol=1e-6)
    milk = (design["diet"] == "milk") & (design["time"] == 0)
    np.testing.assert_allclose(means["mean_values"][4], 2 * shares[milk].mean(axis=0), rtol=1e-6)
    assert means["mean_values"].shape == (8, 4)
    assert [step["subjects"] for step in found[0]["steps"]] == [19, 20]
    of_clades = means["mean_shares"] @ members
    assert (means["clade_low"] < of_clades).all()
    assert (of_clades < means["clade_high"]).all()


def test_the_interval_of_a_mean_is_as_wide_as_theory_says_and_knows_who_gave_samples():
    values = np.random.default_rng(0).normal(size=(400, 20))
    people = np.array([f"p{i}" for i in range(400)])
    low, high = courses.mean_interval(values, people, 0)
    np.testing.assert_allclose((high - low).mean(), 2 * 1.96 / 20, rtol=0.05)
    again = courses.mean_interval(np.repeat(values, 5, axis=0), np.repeat(people, 5), 0)
    np.testing.assert_allclose(again, (low, high))
    assert np.isnan(courses.mean_interval(values, np.repeat(list("abcd"), 100), 0)).all()


def test_without_times_there_is_no_course():
    basis, stored, lineages, design, encoding, train = study()
    design["time"] = np.nan
    content, arrays = gathered(basis, stored, lineages, design, encoding, train)
    assert content["courses"] == []
    assert arrays["mean_shares"].shape == (0, 40)
    assert arrays["clade_low"].shape == (0, sum(len(entry["clades"]) for entry in content["ranks"]))


# --- the page ---


def test_the_page_is_one_file_without_links_the_same_each_time(tmp_path):
    first, again = (written(tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == again
    text = first.decode()
    assert not re.search(r"https?://|//cdn|<link|src=|@import|url\(", text)
    assert "These data are simulated" not in text
    assert "These data are simulated" in written(tmp_path / "c.html", simulated=True).read_text()


def test_700_samples_of_500_taxa_stay_far_below_15_megabytes(tmp_path):
    page = written(tmp_path / "large.html", study_of_size(700, 500))
    assert page.stat().st_size < 2e6


def study_of_size(samples, taxa):
    basis, stored, lineages, design, encoding, train = study(taxa=40, subjects=samples // 10, visits=10)
    basis = make_basis(taxa, size=64, channels=16)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(2000, rng.dirichlet(np.full(taxa, 0.3), samples))
    stored |= {"counts": counts, "values": rng.normal(size=counts.shape)}
    lineages = [f"k__B; p__P{i % 9}; c__C{i % 20}; o__O{i % 30}; f__F{i % 50}; g__G{i}" for i in range(taxa)]
    return basis, stored, lineages, design, encoding, train


def test_the_limits_are_said_on_the_page(tmp_path):
    text = written(tmp_path / "some.html", most=10).read_text()
    assert "This page holds 9 of the study's 36 samples" in text
    assert "This page holds" not in written(tmp_path / "all.html").read_text()
    assert "rarefied to 1,100" in text


def test_where_functions_come_from_is_said(tmp_path):
    path = tmp_path / "quality.json"
    path.write_text('{"method": "nearest", "asvs": 40, "asvs_imputed": 3, "reads_imputed": 0.01}')
    assert "3 of 40 ASVs (1.0% of the reads)" in gallery.functions_note(path)
    path.write_text('{"method": "none", "asvs": 40, "asvs_imputed": 40, "reads_imputed": 1.0}')
    assert gallery.functions_note(path) == ""


# --- in a browser ---


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driven:
        yield driven


def shown(browser, path, **size):
    """Open a page and wait until it is drawn; an error on the console fails the test."""
    browser.open(path, **size)
    browser.wait("return !!window.gallery")
    assert [entry for entry in browser.console() if entry["level"] == "SEVERE"] == []


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return written(tmp_path_factory.mktemp("gallery") / "gallery.html")


def pixels(browser, canvas):
    return browser.run("return document.getElementById(arguments[0]).toDataURL()", canvas)


def place(browser, canvas, taxon):
    """Point of the window where a taxon is drawn."""
    return browser.run(
        """const canvas = document.getElementById(arguments[0]);
        canvas.scrollIntoView({block: "center"});
        const box = canvas.getBoundingClientRect(), scale = (box.width - 2) / gallery.content.size;
        const [x, y] = gallery.centre(arguments[1], scale);
        return [box.left + 1 + x, box.top + 1 + y];""",
        canvas,
        taxon,
    )


def test_the_pixels_of_the_page_are_those_of_the_images(browser, page):
    basis, stored, *_ = study()
    shown(browser, page)
    standardised = (stored["values"] - basis.value_mean) / basis.value_std
    expected = raster.normalize(raster.rasterize(standardised[[0, 17]], basis), basis)
    for row, sample in enumerate((0, 17)):
        for channel in (0, 7, 15):
            image = browser.run("return Array.from(gallery.channelImage(...arguments))", sample, channel)
            np.testing.assert_allclose(np.reshape(image, (16, 16)), expected[row, channel], atol=1e-4)


@pytest.mark.parametrize("canvas", ["map", "image", "first", "second", "difference"])
def test_hovering_a_taxon_shows_its_lineage_abundance_and_functions(browser, page, canvas):
    shown(browser, page)
    assert browser.run("return document.getElementById('tip').hidden")
    browser.point(*place(browser, canvas, 6))
    tip = browser.wait("const tip = document.getElementById('tip'); return tip.hidden ? '' : tip.textContent")
    assert "Genus6" in tip
    assert "B › P2 › C2 › O2 › Enterobacteriaceae › Genus6" in tip
    assert "doublings" in tip if canvas == "difference" else "%" in tip
    detail = browser.run("return document.getElementById('taxon').textContent")
    assert "reads" in detail
    assert "c15" in detail
    assert "t6" in detail


def test_the_slider_moves_through_a_subjects_samples_in_time(browser, page):
    shown(browser, page)
    before, when = pixels(browser, "image"), browser.run("return document.getElementById('when').textContent")
    assert when == "0 days (1 of 3)"
    browser.press("#time", "\ue014")  # arrow right
    assert browser.run("return document.getElementById('when').textContent") == "1 days (2 of 3)"
    assert pixels(browser, "image") != before
    assert "s1 " in browser.run("return document.getElementById('about').textContent")
    assert "1 days" in browser.run("return document.getElementById('time').getAttribute('aria-valuetext')")


def test_means_over_time_come_with_their_interval(browser, page):
    shown(browser, page)
    last = browser.run("return gallery.content.subjects.findIndex((subject) => subject.mean)")
    browser.run(
        "subject.value = arguments[0]; document.getElementById('subject').dispatchEvent(new Event('change'))", last
    )
    assert "95 % interval over subjects (host id)" in browser.run(
        "return document.getElementById('course-how').innerText"
    )
    assert re.search(r"\d % \(\d.*% to \d", browser.run("return document.getElementById('image-clades').innerText"))
    assert "of 11 subjects" in browser.run("return document.getElementById('about').textContent")
    bars = pixels(browser, "course")
    browser.press("#time", "\ue014")
    assert pixels(browser, "course") != bars


def test_the_tab_key_reaches_every_control_and_escape_closes_the_tip(browser, page):
    shown(browser, page)
    reached = set()
    for _ in range(30):
        browser.strike("\ue004")
        reached.add(browser.run("const at = document.activeElement; return at.id || at.name || at.tagName"))
    wanted = {
        "rank",
        "find",
        "map",
        "subject",
        "one",
        "time",
        "image",
        "view",
        "contrast",
        "first",
        "second",
        "difference",
    }
    assert wanted <= reached
    browser.press("#map", "\ue015")
    assert not browser.run("return document.getElementById('tip').hidden")
    browser.press("#map", "\ue00c")
    assert browser.run("return document.getElementById('tip').hidden")


def test_every_script_is_in_the_page_and_no_other():
    assert sorted(path.stem for path in TEMPLATES.glob("*.js")) == sorted(gallery.SCRIPTS)


def test_pickers_choose_subject_sample_channel_rank_and_groups(browser, page):
    shown(browser, page)
    choose = """const [id, value] = arguments, select = document.getElementById(id);
        select.value = value; select.dispatchEvent(new Event("change"));"""
    browser.run(choose, "subject", "3")
    assert browser.run("return gallery.state.sample") == 11
    browser.run(choose, "one", "4")
    assert browser.run("return document.getElementById('subject').value") == "1"
    composite, taxa = pixels(browser, "image"), pixels(browser, "map")
    browser.run("document.querySelectorAll('#views input')[6].click()")
    assert browser.run("return document.getElementById('picture-title').textContent") == "c5"
    assert pixels(browser, "image") != composite
    browser.run(choose, "rank", "3")
    assert "Lachnospiraceae" in browser.run("return document.getElementById('map-clades').textContent")
    differing = browser.run("return document.getElementById('compared').textContent + contrast.value")
    browser.run(choose, "contrast", "1")
    assert browser.run("return document.getElementById('compared').textContent + contrast.value") != differing
    browser.run(
        "const find = document.getElementById('find'); find.value = 'Genus3'; find.dispatchEvent(new Event('input'))"
    )
    assert "11 of 40 taxa" in browser.run("return document.getElementById('found').textContent")
    assert pixels(browser, "map") != taxa


def test_the_keyboard_moves_from_taxon_to_taxon(browser, page):
    shown(browser, page)
    browser.press("#map", "\ue015")  # arrow down: the most common taxon first
    first = browser.run("return gallery.state.taxon")
    browser.press("#map", "\ue015")
    second = browser.run("return gallery.state.taxon")
    rows = study()[0].row
    assert first >= 0
    assert rows[second] > rows[first]
    assert f"Genus{second}" in browser.run("return document.getElementById('taxon').textContent")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1440, True), (2560, False)])
def test_it_fits_phones_and_wide_screens_in_light_and_dark(browser, page, width, dark):
    shown(browser, page, width=width, dark=dark)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 23, 28)") == dark


def test_every_control_has_a_name_and_ids_are_unique(browser, page):
    shown(browser, page)
    nameless = browser.run(
        """return [...document.querySelectorAll("select, input, button, canvas:not([aria-hidden])")]
        .filter((element) => !(element.labels?.length || element.getAttribute("aria-label") || element.textContent))
        .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))


def test_hostile_names_are_texts_and_nothing_else(browser, tmp_path):
    basis, stored, lineages, design, encoding, train = study(name=HOSTILE + "{}")
    design["group"] = HOSTILE + design["group"]
    lineages = [f"{lineage}; s__{HOSTILE}" for lineage in lineages]
    design["diet"] = np.where(design["diet"] == "milk", HOSTILE, "bread")
    encoding["fields"]["diet"]["categories"] = ["bread", HOSTILE]
    path = written(tmp_path / "hostile.html", (basis, stored, lineages, design, encoding, train), functions=HOSTILE)
    assert HOSTILE not in path.read_text()
    shown(browser, path)
    browser.point(*place(browser, "map", 6))
    browser.wait("return !document.getElementById('tip').hidden")
    assert browser.run("return window.stolen") is None
    assert HOSTILE in browser.run("return document.getElementById('about').textContent")
    assert browser.run("return document.images.length") == 0


@pytest.mark.parametrize(("taxa", "subjects", "visits"), [(2, 1, 1), (3, 4, 1), (5, 1, 6)])
def test_small_studies_without_time_groups_or_functions_are_shown(browser, tmp_path, taxa, subjects, visits):
    basis, stored, lineages, design, encoding, _ = study(taxa, subjects, visits)
    design["time"] = np.nan
    encoding |= {"time": None, "fields": {}, "targets": {}, "group": []}
    made = (basis, stored, lineages, design, encoding, np.ones(len(design), dtype=bool))
    shown(browser, written(tmp_path / "small.html", made, functions=""))
    assert browser.run("return document.getElementById('has-groups').hidden")
    assert browser.run("return document.querySelectorAll('#views input').length") == 1
    assert browser.run("return document.querySelector('.subjects').hidden") == (visits == 1)
