"""Previews: the right groups are compared, colours mean what the legend says, and nothing breaks on small studies."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from test_raster import make_basis

from taxoscape import images
from taxoscape.figures import save
from taxoscape.palette import choose_clades
from taxoscape.previews import contrast, draw, paint

LINEAGES = ["k__B; p__Firmicutes; c__Clostridia; o__C; f__Lachno; g__Blautia", "k__B; p__Bacteroidota; c__; o__"]
NOTHING = {"targets": {}, "fields": {}}


def design_of(**columns):
    return pd.DataFrame(columns, index=[f"s{i}" for i in range(len(next(iter(columns.values()))))])


def texts(figure):
    return " ".join(text.get_text() for ax in [figure, *figure.axes] for text in ax.findobj(match=Text))


# --- which groups ---


def test_the_categories_that_differ_most_are_compared():
    diet = np.repeat(["milk", "bread", "meat"], 6).astype(object)
    values = np.random.default_rng(0).normal(size=(18, 5)) + 4 * (diet == "meat")[:, None] * np.eye(5)[0]
    values -= 2 * (diet == "milk")[:, None] * np.eye(5)[1]
    encoding = {
        "targets": {"diet_1": {"type": "classification", "categories": ["bread", "meat", "milk"]}},
        "fields": {},
    }
    found = contrast.largest_contrast(values, design_of(diet_1=diet), encoding)
    assert (found.first_name, found.second_name) == ("diet 1 meat", "diet 1 milk")
    np.testing.assert_array_equal(found.first, diet == "meat")


def test_a_number_is_split_into_its_lowest_and_highest_third_missing_ones_left_out():
    age = np.append(np.arange(9.0), [np.nan] * 3)
    encoding = {"targets": {}, "fields": {"age": {"type": "continuous", "unit": "years"}}}
    found = contrast.largest_contrast(np.random.default_rng(0).normal(size=(12, 4)), design_of(age=age), encoding)
    assert list(np.flatnonzero(found.first)) == [0, 1, 2]
    assert list(np.flatnonzero(found.second)) == [6, 7, 8]
    assert found.first_name == "age 2.67 years or less"


def test_where_there_are_no_two_groups_there_is_no_contrast():
    values = np.zeros((4, 3))
    assert contrast.largest_contrast(values, design_of(age=[1.0, 1, 1, 1]), NOTHING) is None
    same = {"targets": {"age": {"type": "regression", "unit": ""}}, "fields": {}}
    assert contrast.largest_contrast(np.zeros((8, 3)), design_of(age=[1.0] * 8), same) is None
    rare = {"targets": {"diet": {"type": "classification", "categories": ["a", "b"]}}, "fields": {}}
    assert contrast.largest_contrast(values, design_of(diet=["a", "b", "b", "b"]), rare) is None


def test_a_difference_of_means_is_measured_against_chance():
    rng = np.random.default_rng(0)
    same = [contrast.separation(rng.normal(size=(20, 50)), rng.normal(size=(30, 50))) for _ in range(50)]
    assert np.mean(same) == pytest.approx(1, abs=0.1)
    assert contrast.separation(np.zeros((3, 2)), np.ones((3, 2))) == 0


def test_samples_are_shown_along_the_target_and_those_without_it_are_not():
    design = design_of(age=[5.0, np.nan, 1.0, 3.0, 9.0])
    encoding = {"targets": {"age": {"type": "regression", "unit": "years"}}, "fields": {}}
    places, labels = contrast.shown_samples(design, encoding, 3)
    assert list(places) == [2, 0, 4] or list(places) == [2, 3, 4]
    assert labels[0] == "age 1 years"
    places, labels = contrast.shown_samples(design, NOTHING, 9)
    assert (list(places), labels) == ([0, 1, 2, 3, 4], [""] * 5)


# --- colours ---


def test_the_local_mean_of_a_constant_is_that_constant():
    basis = make_basis()
    mean, weight = paint.local_mean(np.full(40, 0.025), np.full((40, 2), 3.0), basis)
    np.testing.assert_allclose(mean[:, weight > 0], 3.0)
    assert weight.sum() == pytest.approx(1)


def test_opacity_grows_with_the_share_of_reads():
    strength = paint.strength(np.array([0, 1e-9, 1e-4, 1e-3, 1e-1, 1]))
    assert (np.diff(strength) >= 0).all()
    assert (strength[0], strength[2], strength[-1]) == (0, 0.15, 1)


def test_taxa_are_named_by_what_is_known():
    assert paint.full_name(LINEAGES[0]) == "Blautia"
    assert paint.full_name(LINEAGES[0] + "; s__obeum") == "Blautia obeum"
    assert paint.full_name(LINEAGES[0] + "; s__Blautia_obeum") == "Blautia_obeum"
    assert paint.full_name(LINEAGES[1]) == "Bacteroidota (phylum)"
    assert paint.full_name("Unassigned") == "unassigned"


# --- figures ---


def figures(taxa=40, samples=8, encoding=None):
    basis = make_basis(taxa, channels=16)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(taxa, 0.3), samples)
    values, mean = rng.normal(size=(samples, taxa)), shares.mean(axis=0)
    lineages = [LINEAGES[i % 2] for i in range(taxa)]
    clades = choose_clades(lineages, mean)
    groups = contrast.largest_contrast(values, design_of(age=np.arange(float(samples))), encoding or NOTHING)
    names = [f"s{i}" for i in range(samples)]
    return {
        "taxa": draw.draw_taxa(basis, lineages, mean, samples, clades),
        "channels": draw.draw_channels(basis, mean, samples),
        "samples": draw.draw_samples(basis, shares, names, ["age 3 years"] * samples, lineages, clades),
        "difference": draw.draw_difference(basis, values, groups, lineages),
        "noise": draw.draw_noise(images.image_quality(values, np.ones(samples), basis, 0)),
    }


def test_pictures_say_what_they_show_and_are_the_same_each_time(tmp_path):
    encoding = {"targets": {"age": {"type": "regression", "unit": "years"}}, "fields": {}}
    for folder in ("first", "again"):
        drawn = figures(encoding=encoding)
        said = {name: texts(figure) for name, figure in drawn.items()}
        for name, figure in drawn.items():
            save(figure, tmp_path / folder / f"{name}.png")
    assert "40 taxa" in said["taxa"]
    assert "Firmicutes" in said["taxa"]
    assert "c15" in said["channels"]
    assert "8 training samples" in said["channels"]
    assert "age 3 years" in said["samples"]
    assert "age 4.67 years or more" in said["difference"]
    assert "worst sample" in said["noise"]
    for name in drawn:
        first, again = ((tmp_path / folder / f"{name}.png").read_bytes() for folder in ("first", "again"))
        assert first == again


@pytest.mark.parametrize(("taxa", "samples"), [(2, 1), (3, 5)])
def test_small_studies_are_drawn_and_no_groups_are_said_to_be_none(taxa, samples):
    drawn = figures(taxa, samples)
    assert "No target or field" in texts(drawn["difference"])
