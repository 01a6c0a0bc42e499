"""The report in a real browser: it fits phones and wide screens, light and dark, and works by mouse, keyboard, none."""

import pandas as pd
import pytest
from browser import chromium
from matplotlib.figure import Figure as Canvas
from test_report import TEMPLATES, render

from taxoscape.report.downloads import Download
from taxoscape.report.parts import SCRIPTS, Check, Section, Table, Verdict, drawn

HOSTILE = "</script><script>window.stolen=1</script><img src=x onerror='window.stolen=1'>"
LONG = "k__Bacteria; p__" + "Very_long_name_without_any_space_" * 6
WIDTHS = [(390, False), (390, True), (1440, False), (1440, True)]
# Boxes that must not lie over each other: what stands one after the other in a section, a grid or a list.
OVERLAPS = """
    const found = [], of = (element) => element.getBoundingClientRect();
    const parents = "main, main > section, .figures, .cards, .tiles, figure, .checks li";
    for (const parent of document.querySelectorAll(parents)) {
        const blocks = [...parent.children].filter((child) => getComputedStyle(child).display !== "inline");
        const boxes = blocks.map((child) => [child, of(child)]);
        const inside = boxes.filter(([, box]) => box.width && box.height);
        for (const [i, [a, first]] of inside.entries()) for (const [b, second] of inside.slice(i + 1)) {
            const across = Math.min(first.right, second.right) - Math.max(first.left, second.left);
            const down = Math.min(first.bottom, second.bottom) - Math.max(first.top, second.top);
            if (across > 1 && down > 1) found.push(`${a.outerHTML.slice(0, 90)} over ${b.outerHTML.slice(0, 90)}`);
        }
    }
    return found;"""
# Contrast (WCAG 2.2) of every text that is shown, against the nearest ground behind it.
CONTRASTS = """
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => parts(colour).slice(0, 3).map((value) => value / 255)
        .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (parts(colour).length < 4 || parts(colour)[3] > 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 80)}`);
    }
    return poor;"""


def figure(width: float, height: float, name: str, about: str = ""):
    canvas = Canvas(figsize=(width, height))
    canvas.subplots().plot([0, 1])
    return drawn(canvas, name, about)


def content(name: str = "S01") -> dict:
    """A page with all that a page may have, of samples, taxa and targets of this name."""
    rows = pd.DataFrame({"sample": [f"{name} {i}" for i in range(40)], "NSTI": 0.5})
    rows["taxon"] = [LONG if i % 7 else "" for i in range(40)]
    few = pd.DataFrame({"model": list("badce"), "R2": ["0.5 (0.1 to 0.9)", "10 (1 to 2)", "", "-3", "2"]})
    wide = pd.DataFrame([[f"{row} {column}" for column in range(14)] for row in range(3)])
    reads = Section(
        "reads",
        f"Reads of {name}",
        f"Lead of {name}.",
        [("Came in", f"12 reads of {name}."), ("Lost", "none")],
        [Check(name, "1 (0 to 2)", "at least 3", False), Check("b", "1", "1", True), Check("c", "1", "none", None)],
        [Verdict(name, "reads", "signal", "better", "Said."), Verdict("b", "reads", "none", "worse", "Said. " * 40)],
        ["A note."],
        [f"Warning of {name}."],
        [Table(f"Long table of {name}", rows), Table("Few rows", few), Table("Wide", wide)],
        [figure(11, 4, "quality"), figure(5, 5, "taxa", name), figure(5, 3, "samples")],
        [figure(5, 5, "noise")],
        [("other.html", f"Page of {name}")],
    )
    methods = Section("methods", "Methods", "Ready.", notes=["Paragraph."], references=[("A paper.", "10.1/x")])
    files = {"Study": [Download("data/table.biom", "results/table.biom", "Study", f"Counts of {name}", "8 kB")]}
    sections = [reads, Section("taxonomy", "Lineages", "Who is there. " * 60), methods]
    return {
        "title": f"Study {name}",
        "tiles": [("1,234", "samples"), ("2", "groups")],
        "ran": [("Input", name), ("Run", "seed 0")],
        "sections": sections,
        "downloads": files,
        "settings": f"title: {name}\n" + "key: value\n" * 80,
        "note": f"Note on {name}.",
        "simulated": True,
    }


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driven:
        yield driven


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "data").mkdir()
    (folder / "data" / "table.biom").write_text("counts")
    (folder / "other.html").write_text("<title>other</title>")
    path = folder / "report.html"
    path.write_text(render(**content()))
    return path


def shown(browser, path, **size):
    """Open a page; an error on the console fails the test."""
    browser.open(path, **size)
    assert [entry for entry in browser.console() if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_it_fits_and_nothing_overlaps(browser, page, width, dark):
    shown(browser, page, width=width, dark=dark)
    browser.run("document.querySelectorAll('main details').forEach((one) => one.open = true)")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run(OVERLAPS) == []
    assert browser.run(CONTRASTS) == []
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 23, 28)") == dark


def test_images_load_and_each_has_a_text_and_a_caption(browser, page):
    shown(browser, page)
    browser.run("document.querySelectorAll('details').forEach((one) => one.open = true)")
    found = browser.wait(
        """const images = [...document.querySelectorAll("main img")];
        return images.every((image) => image.complete) && images.map((image) => [
            image.naturalWidth, image.alt, image.closest("figure").querySelector("figcaption").innerText.length])"""
    )
    assert len(found) == 4
    for width, alt, length in found:
        assert width > 0
        assert alt.startswith("Figure: ")
        assert length > 60


def test_links_lead_somewhere_and_nothing_is_fetched(browser, page):
    shown(browser, page)
    links = browser.run("return [...document.querySelectorAll('a')].map((link) => link.getAttribute('href'))")
    assert {link for link in links if link.startswith("http")} == {"https://doi.org/10.1/x"}
    for link in links:
        if link.startswith("#"):
            assert browser.run("return !!document.getElementById(arguments[0])", link[1:]), link
        elif not link.startswith("http"):
            assert (page.parent / link).is_file(), link
    fetched = "return performance.getEntriesByType('resource').filter((one) => !one.name.startsWith('data:')).length"
    assert browser.run(fetched) == 0


def test_the_outline_is_whole(browser, page):
    shown(browser, page)
    levels = browser.run("return [...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert browser.run("return document.documentElement.lang") == "en"
    for landmark in ("nav[aria-label]", "main"):
        assert browser.run("return document.querySelectorAll(arguments[0]).length", landmark) == 1
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))


TYPE = """const box = document.querySelector("input"); box.value = arguments[0];
    box.dispatchEvent(new Event("input")); const rows = [...box.closest("details").querySelectorAll("tbody tr")];
    return [rows.filter((row) => !row.hidden).length, document.querySelector("[role=status]").textContent];"""


def test_the_box_filters_the_rows_of_long_tables(browser, page):
    shown(browser, page)
    assert browser.run("return document.querySelectorAll('input').length") == 1
    assert browser.run(TYPE, "S01 3") == [13, "13 of 40 rows"]  # 3, 13, 23, 33, 30 to 39
    assert browser.run(TYPE, "s01 VERY") == [34, "34 of 40 rows"]
    assert browser.run(TYPE, "nothing like it") == [0, "0 of 40 rows"]
    assert browser.run(TYPE, "") == [40, ""]


SORT = """const table = [...document.querySelectorAll("table")].find((one) => one.caption.textContent === arguments[0]);
    const cell = table.tHead.rows[0].cells[arguments[1]];
    for (let i = 0; i < arguments[2]; i++) cell.querySelector(".sort").click();
    return [cell.ariaSort, [...table.tBodies[0].rows].map((row) => row.cells[arguments[1]].textContent)];"""


def test_headings_sort_numbers_as_numbers_with_empty_cells_last(browser, page):
    shown(browser, page)
    ascending = ["-3", "0.5 (0.1 to 0.9)", "2", "10 (1 to 2)", ""]
    assert browser.run(SORT, "Few rows", 1, 0)[0] is None
    assert browser.run(SORT, "Few rows", 1, 1) == ["ascending", ascending]
    assert browser.run(SORT, "Few rows", 1, 1) == ["descending", [*ascending[3::-1], ""]]
    assert browser.run(SORT, "Few rows", 0, 1) == ["ascending", list("abcde")]
    assert browser.run(SORT, "Few rows", 1, 0)[0] is None  # only one column sorts


def test_words_are_explained_to_mouse_and_keyboard(browser, page):
    shown(browser, page)
    box = browser.run(
        """const word = [...document.querySelectorAll(".term")].find((one) => one.textContent === "R2");
        word.scrollIntoView({block: "center", behavior: "instant"}); const at = word.getBoundingClientRect();
        return [at.left + at.width / 2, at.top + at.height / 2];"""
    )
    assert browser.run("return document.getElementById('tip').hidden")
    browser.point(*box)
    tip = browser.wait("const tip = document.getElementById('tip'); return tip.hidden ? '' : tip.textContent")
    assert "share of the variation" in tip
    browser.point(1, 1)
    browser.wait("return document.getElementById('tip').hidden")
    browser.run("[...document.querySelectorAll('.term')].find((one) => one.textContent === 'R2').focus()")
    browser.wait("return !document.getElementById('tip').hidden")
    assert browser.run("return document.activeElement.getAttribute('aria-describedby')") == "tip"
    browser.strike("\ue00c")
    assert browser.run("return document.getElementById('tip').hidden")


def test_the_keyboard_reaches_contents_tables_figures_and_files(browser, page):
    shown(browser, page, width=390)
    browser.run("document.querySelectorAll('main details').forEach((one) => one.open = true)")
    reached = set()
    for _ in range(60):
        browser.strike("\ue004")
        reached |= set(browser.run("const at = document.activeElement; return [at.tagName, ...at.classList]"))
    assert {"SUMMARY", "A", "INPUT", "skip", "sort", "frame", "term", "scroll", "copy"} <= reached


def test_contents_fold_on_phones_and_stay_in_view(browser, page):
    state = "return document.querySelector('nav details').open"
    shown(browser, page, width=390)
    assert not browser.run(state)
    browser.run("document.querySelector('nav summary').click()")
    assert browser.run(state)
    browser.run("document.querySelector('nav a[href$=taxonomy]').click()")
    assert not browser.run(state)
    browser.wait("return Math.abs(document.getElementById('taxonomy').getBoundingClientRect().top) < 200")
    assert browser.run("return document.querySelector('nav').getBoundingClientRect().top") == 0
    shown(browser, page, width=1440)
    assert browser.run(state)
    browser.run("document.getElementById('taxonomy').scrollIntoView({behavior: 'instant'})")
    current = "return document.querySelector('nav [aria-current]')?.hash"
    assert browser.wait(f"{current} === '#taxonomy' && '#taxonomy'") == "#taxonomy"


def test_a_figure_opens_at_its_full_size_and_closes(browser, page):
    shown(browser, page, width=390)
    browser.run("document.querySelector('button.frame').click()")
    assert browser.run("return document.querySelector('dialog').open")
    size = browser.wait("const image = document.querySelector('dialog img'); return image.complete && image.width")
    assert size > 1000
    browser.strike("\ue00c")
    assert not browser.run("return document.querySelector('dialog').open")


def test_a_link_to_a_word_unfolds_it(browser, page):
    shown(browser, page)
    browser.run("document.querySelector('.term').click()")
    browser.wait("return document.querySelector('#words details').open")


def test_everything_is_printed(browser, page):
    shown(browser, page, width=760)
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return document.querySelectorAll('main details:not([open])').length") == 0
    cut = (
        "return [...document.querySelectorAll('.scroll, pre')].filter((one) => one.scrollHeight > one.clientHeight + 1)"
    )
    assert browser.run(f"{cut}.length") == 0
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run(OVERLAPS) == []
    browser.cdp("Emulation.setEmulatedMedia", media="")
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('main details[open]').length") == 0


@pytest.fixture
def without_scripts(browser):
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    yield
    browser.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_without_scripts_the_page_is_whole(browser, page, without_scripts, tmp_path):
    shown(browser, page, width=1440)
    browser.cdp("DOM.enable")
    root = browser.cdp("DOM.getDocument")["root"]["nodeId"]

    def count(selector):
        return len(browser.cdp("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"])

    assert count("dialog, .sort, .filter, button") == 0  # nothing that would not work
    assert count("tbody tr") == 48
    assert count("nav details[open]") == 1
    assert count("main img") == 4


def test_hostile_names_are_texts_and_nothing_else(browser, tmp_path):
    path = tmp_path / "hostile.html"
    made = content(HOSTILE)
    path.write_text(render(**made))
    assert HOSTILE not in path.read_text()
    shown(browser, path)
    assert browser.run("return window.stolen") is None
    assert browser.run("return document.querySelectorAll('main img:not(figure img)').length") == 0
    assert HOSTILE in browser.run("return document.querySelector('h1').textContent")
    assert browser.run("return document.querySelectorAll('script').length") == 1


def test_every_script_is_in_the_page_and_no_other():
    assert sorted(path.stem for path in TEMPLATES.glob("*.js")) == sorted(SCRIPTS)
