"""Metadata: missing is a state, groups never part, and every wrong sheet is refused by name."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxoscape import metadata, splits, tables
from taxoscape.errors import InputError
from taxoscape.files import write_json, write_tsv

CATEGORICAL = {"type": "categorical"}
YEARS = {"type": "continuous", "unit": "years"}


@pytest.fixture
def sheet() -> pd.DataFrame:
    """Twelve samples of six subjects; one value of each field is missing."""
    return pd.DataFrame(
        {
            "sample_id": [f"s{number}" for number in range(12)],
            "subject": [f"p{number // 2}" for number in range(12)],
            "family": [f"f{number // 4}" for number in range(12)],
            "day": [str(number) for number in range(12)],
            "age": ["nan"] + [str(20 + number) for number in range(11)],
            "diet": ["Missing: Not provided"] + ["meat", "none"] * 5 + ["meat"],
        }
    )


@pytest.fixture
def study(tmp_path, sheet):
    """Write the sheet and return the metadata section for it: study(column=values, config_key=...)."""

    def make(columns=None, rows=None, **changes) -> dict:
        frame = sheet.assign(**(columns or {}))
        frame = frame if rows is None else frame.iloc[rows]
        frame.to_csv(tmp_path / "metadata.tsv", sep="\t", index=False)
        config = {
            "file": str(tmp_path / "metadata.tsv"),
            "sample": "sample_id",
            "group": ["subject"],
            "unmatched": "error",
            "min_fields": 0,
            "time": {"column": "day", "unit": "days"},
            "fields": {"age": YEARS, "diet": CATEGORICAL},
            "targets": {"age": "regression", "diet": "classification"},
            "folds": 3,
            "repeats": 1,
            "test": 0.2,
            "validation": 0.15,
        }
        return config | changes

    return make


SAMPLES = [f"s{number}" for number in range(12)]


def refusal(config: dict, samples=SAMPLES) -> str:
    with pytest.raises(InputError) as caught:
        metadata.check_metadata(config, samples)
    return str(caught.value)


def saved(tmp_path, config, samples=SAMPLES, seed=0):
    """Design, encoding and splits as the rule writes them, and the path of the design."""
    design, _ = metadata.build_design(config, samples)
    split = splits.make_splits(design, config, seed)
    encoding = metadata.fit_encoding(design, (split["split"] == "train").to_numpy(), config)
    write_tsv(design.reset_index(), tmp_path / "design.tsv")
    write_json(encoding, tmp_path / "encoding.json")
    return design, encoding, split, tmp_path / "design.tsv"


@pytest.mark.parametrize(
    "text", ["", " ", "NA", "nan", "N/A", "Missing: Not provided", "missing: anything", "not applicable", "Unspecified"]
)
def test_every_way_of_not_knowing_is_missing(text):
    assert metadata.clean(pd.Series([text, "x"])).tolist() == [None, "x"]


def test_none_and_zero_are_answers_and_not_missing():
    assert metadata.clean(pd.Series(["none", "0", "False", " no "])).tolist() == ["none", "0", "False", "no"]


def test_missing_is_flagged_and_never_a_value(study, tmp_path):
    design, encoding, _, _ = saved(tmp_path, study())
    values, missing = metadata.encode(design, encoding)
    assert missing[0].tolist() == [True, True]
    assert not missing[1:].any()
    assert (values[missing] == 0).all()
    train_known = ~missing[:, 0]
    assert design["age"].isna().tolist() == (~train_known).tolist()


def test_numbers_are_standardised_on_training_samples_only(study, tmp_path):
    design, encoding, split, _ = saved(tmp_path, study())
    known = design["age"][(split["split"] == "train").to_numpy()].dropna()
    assert encoding["fields"]["age"] == {
        "type": "continuous",
        "unit": "years",
        "mean": known.mean(),
        "std": known.std(ddof=0),
    }
    values, missing = metadata.encode(design, encoding)
    train = (split["split"] == "train").to_numpy() & ~missing[:, 0]
    assert np.isclose(values[train, 0].mean(), 0)
    assert np.isclose(values[train, 0].std(), 1)


def test_category_unseen_in_training_is_missing_and_counted(study):
    config = study()
    design, _ = metadata.build_design(config, SAMPLES)
    encoding = metadata.fit_encoding(design, (design["diet"] != "none").to_numpy(), config)
    _, missing = metadata.encode(design, encoding)
    assert encoding["fields"]["diet"]["categories"] == ["meat"]
    assert missing[:, 1].tolist() == (design["diet"] != "meat").tolist()
    assert metadata.unseen(design, encoding) == {"diet": 5}


def test_constant_column_is_encoded_without_dividing_by_zero(study):
    config = study(columns={"age": ["30"] * 12}, targets={})
    design, _ = metadata.build_design(config, SAMPLES)
    encoding = metadata.fit_encoding(design, np.ones(12, dtype=bool), config)
    assert (metadata.encode(design, encoding)[0][:, 0] == 0).all()


def test_design_is_read_as_it_was_written(study, tmp_path):
    odd = ['say "hi"', "001", "1.0", "é"] * 3
    design, _, _, path = saved(tmp_path, study(columns={"diet": odd}))
    again = metadata.read_design(path)
    pd.testing.assert_frame_equal(again, design, check_dtype=False, check_column_type=False, check_index_type=False)
    assert again["diet"].iloc[1:4].tolist() == odd[1:4]
    assert again["age"].dtype == float
    assert again["time"].dtype == float


def test_missing_text_is_read_back_as_none(study, tmp_path):
    path = saved(tmp_path, study())[-1]
    assert metadata.read_design(path)["diet"].iloc[0] is None


def test_time_may_be_absent(study, tmp_path):
    config = study(time=None)
    path = saved(tmp_path, config)[-1]
    assert metadata.read_design(path)["time"].isna().all()
    assert json.loads((tmp_path / "encoding.json").read_text())["time"] is None


def test_a_target_need_not_be_a_field(study, tmp_path):
    design, encoding, _, path = saved(tmp_path, study(fields={}, targets={"age": "regression"}))
    assert encoding["targets"]["age"]["unit"] is None
    assert metadata.encode(design, encoding)[0].shape == (12, 0)
    assert metadata.read_design(path)["age"].notna().sum() == 11


def test_rows_follow_the_table_and_not_the_sheet(study):
    design, _ = metadata.build_design(study(rows=slice(None, None, -1)), ["s7", "s2", "s5"])
    assert list(design.index) == ["s7", "s2", "s5"]


def test_second_line_of_qiime2_is_no_sample(study, sheet, tmp_path):
    config = study()
    typed = pd.DataFrame([dict.fromkeys(sheet, "categorical")]).assign(sample_id="#q2:types")
    pd.concat([typed, sheet]).to_csv(config["file"], sep="\t", index=False)
    assert len(metadata.read_metadata(config)) == 12


def test_samples_without_a_row_are_refused_or_dropped_and_counted(study):
    message = refusal(study(rows=slice(2, None)))
    assert "2 of 12 samples have no row" in message
    assert "s0, s1" in message
    assert "unmatched: drop" in message
    config = study(rows=slice(2, None), unmatched="drop", folds=2)
    design, excluded = metadata.build_design(config, SAMPLES[:10])
    assert len(design) == 8
    assert excluded.to_dict("list") == {"sample": ["s0", "s1"], "why": ["no row in the metadata"] * 2}
    split = splits.make_splits(design, config, 0)
    encoding = metadata.fit_encoding(design, np.ones(8, dtype=bool), config)
    quality = metadata.summarize(config, design, split, excluded, encoding)
    assert (quality["metadata_rows"], quality["metadata_rows_unused"], quality["excluded"]) == (10, 2, 2)


def test_samples_without_a_group_are_refused_or_dropped(study):
    subjects = ["NA", *(f"p{number // 2}" for number in range(1, 12))]
    assert "1 of 12 samples have no value in subject" in refusal(study(columns={"subject": subjects}))
    design, excluded = metadata.build_design(study(columns={"subject": subjects}, unmatched="drop"), SAMPLES)
    assert len(design) == 11
    assert excluded["why"].tolist() == ["no value in subject"]


def test_samples_with_few_known_fields_are_listed(study):
    design, excluded = metadata.build_design(study(min_fields=1), SAMPLES)
    assert list(design.index) == SAMPLES[1:]
    assert excluded["sample"].tolist() == ["s0"]
    assert "fewer than 1 known fields" in excluded["why"][0]


def test_several_group_columns_group_samples_that_agree_in_all(study):
    design, _ = metadata.build_design(study(group=["family", "diet"], unmatched="drop"), SAMPLES)
    assert design["group"].iloc[0] == "f0|meat"
    assert design["group"].nunique() == 6
    ambiguous = {"family": ["a|b", "a"] * 6, "diet": ["c", "b|c"] * 6}
    design, _ = metadata.build_design(study(group=["family", "diet"], columns=ambiguous), SAMPLES)
    assert design["group"].nunique() == 2


def test_no_group_column_leaves_each_sample_on_its_own(study):
    design, _ = metadata.build_design(study(group=[]), SAMPLES)
    assert design["group"].tolist() == SAMPLES


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=5, max_size=30),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["classification", "regression"]),
)
def test_groups_never_part_and_no_split_or_fold_is_empty(sizes, seed, kind):
    group = np.repeat([f"p{number}" for number in range(len(sizes))], sizes)
    values = np.random.default_rng(seed).normal(size=len(group))
    values = values if kind == "regression" else np.where(values > 0.8, "rare", "common").astype(object)
    design = pd.DataFrame({"group": group, "y": values}, index=[f"s{number}" for number in range(len(group))])
    config = {"targets": {"y": kind}, "folds": 5, "repeats": 1, "test": 0.2, "validation": 0.15}
    split = splits.make_splits(design, config, seed)
    pd.testing.assert_frame_equal(split, splits.make_splits(design, config, seed))
    for column in ("split", "fold"):
        assert (split.groupby(group)[column].nunique() == 1).all()
    assert set(split["split"]) == set(splits.NAMES)
    assert set(split["fold"]) == set(range(5))


def test_seed_changes_the_splits():
    design = pd.DataFrame({"group": [f"p{number}" for number in range(60)]})
    config = {"targets": {}, "folds": 5, "repeats": 1, "test": 0.2, "validation": 0.15}
    assert not splits.make_splits(design, config, 0).equals(splits.make_splits(design, config, 1))


@pytest.mark.parametrize(("test", "validation", "sizes"), [(0.2, 0.15, (65, 15, 20)), (0.5, 0.3, (20, 30, 50))])
def test_shares_are_shares_of_the_groups(test, validation, sizes):
    design = pd.DataFrame({"group": np.repeat(np.arange(100).astype(str), 3)})
    config = {"targets": {}, "folds": 5, "repeats": 1, "test": test, "validation": validation}
    split = splits.make_splits(design, config, 0)
    assert tuple((split["split"] == name).sum() // 3 for name in splits.NAMES) == sizes


@pytest.mark.parametrize("samples_per_group", [1, 4])
def test_splits_and_folds_are_stratified(samples_per_group):
    """200 groups, 30 % of one class: every part holds 30 % to within a group or two of each stratum."""
    label = np.repeat(np.arange(200) % 10 < 3, samples_per_group)
    group = np.repeat(np.arange(200).astype(str), samples_per_group)
    design = pd.DataFrame({"group": group, "y": np.where(label, "ill", "well")})
    config = {"targets": {"y": "classification"}, "folds": 5, "repeats": 1, "test": 0.2, "validation": 0.15}
    split = splits.make_splits(design, config, 0)
    assert np.allclose(pd.Series(label).groupby(split["split"]).mean(), 0.3, atol=0.05)
    assert np.allclose(pd.Series(label).groupby(split["fold"]).mean(), 0.3, atol=0.03)


@pytest.mark.parametrize("seed", range(10))
def test_rare_class_stays_in_training(seed):
    design = pd.DataFrame(
        {"group": np.arange(40).astype(str), "y": ["rare"] * 2 + ["common"] * 38, "x": ["a"] * 39 + ["b"]}
    )
    config = {
        "targets": {"y": "classification", "x": "classification"},
        "folds": 5,
        "repeats": 1,
        "test": 0.3,
        "validation": 0.3,
    }
    train = design[(splits.make_splits(design, config, seed)["split"] == "train").to_numpy()]
    assert set(train["y"]) == {"rare", "common"}
    assert set(train["x"]) == {"a", "b"}


def test_fewer_groups_than_folds_names_both_numbers(study):
    message = refusal(study(folds=7))
    assert "folds=7" in message
    assert "12 samples form 6 groups" in message
    assert "group: []" in message


def test_two_groups_cannot_be_three_splits(study):
    message = refusal(study(columns={"subject": ["a", "b"] * 6}, folds=2))
    assert "2 groups" in message
    assert "at least 3" in message


@pytest.mark.parametrize(("test", "validation"), [(0.0, 0.2), (0.2, 0.0), (0.6, 0.4)])
def test_impossible_shares_are_refused(study, test, validation):
    assert "metadata.test=" in refusal(study(test=test, validation=validation))


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"fields": {"agee": YEARS}}, ["metadata.fields", "'agee'", "age"]),
        ({"targets": {"diett": "classification"}}, ["metadata.targets", "'diett'", "diet"]),
        ({"group": ["subjct"]}, ["metadata.group", "subject"]),
        ({"sample": "sampleid"}, ["metadata.sample", "sample_id"]),
        ({"time": {"column": "dya", "unit": "days"}}, ["metadata.time", "day"]),
        ({"file": None}, ["metadata.file is not set"]),
        ({"file": "nowhere.tsv"}, ["nowhere.tsv", "does not exist"]),
        ({"targets": {"age": "classification"}}, ["metadata.targets.age", "continuous"]),
        ({"fields": {}, "targets": {"subject": "regression"}}, ["'p0'", "sample s0", "'subject'"]),
        ({"fields": {"diet": YEARS}, "targets": {}}, ["'meat'", "sample s1", "'diet'"]),
        ({"time": {"column": "family", "unit": "days"}}, ["'f0'", "'family'"]),
    ],
)
def test_wrong_config_is_refused_by_name(study, changes, parts):
    message = refusal(study(**changes))
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("columns", "changes", "parts"),
    [
        ({"age": ["NA"] * 12}, {}, ["metadata.targets.age", "missing in all 12 samples"]),
        ({"diet": ["meat"] * 12}, {}, ["metadata.targets.diet", "one class", "'meat'"]),
        ({"age": ["inf"] + ["1"] * 11}, {}, ["'inf'", "sample s0"]),
        ({"age": ["3,5"] + ["1"] * 11}, {}, ["'3,5'", "sample s0"]),
        ({"sample_id": ["s0", *SAMPLES[:11]]}, {}, ["duplicate ids", "s0"]),
        ({"sample_id": ["", *SAMPLES[1:]]}, {}, ["1 rows have no id"]),
        ({"group": ["x"] * 12}, {"fields": {"group": CATEGORICAL}}, ["'group'", "rename"]),
        ({"a/b": ["x", "y"] * 6}, {"targets": {"a/b": "classification"}}, ["'a/b'", "rename"]),
        ({}, {"min_fields": 9}, ["no sample of 12 is left"]),
    ],
)
def test_wrong_sheet_is_refused_by_name(study, columns, changes, parts):
    message = refusal(study(columns=columns, **changes))
    assert all(part in message for part in parts), message


def test_large_sheet_is_checked_in_well_under_a_second(study, tmp_path):
    number = np.arange(15000)
    frame = pd.DataFrame({"sample_id": [f"s{i}" for i in number], "subject": number // 3, "age": number % 80})
    frame = frame.assign(
        day=number % 3, diet=np.array(["a", "b", "c"])[number % 3], **{f"c{i}": "text" for i in range(40)}
    )
    config = study()
    frame.to_csv(config["file"], sep="\t", index=False)
    start = time.perf_counter()
    metadata.check_metadata(config, frame["sample_id"].tolist())
    assert time.perf_counter() - start < 2  # 0.13 s measured


def test_ecam_infants_split_by_child(data, tmp_path):
    """ECAM: 42 infants in the sheet; mothers' samples have no row in it and are dropped."""
    sheet = tables.read_tsv(data / "ecam_10249" / "metadata.tsv", "metadata")
    sheet[sheet["mom_child"] == "C"].to_csv(tmp_path / "metadata.tsv", sep="\t", index=False)
    config = {
        "file": str(tmp_path / "metadata.tsv"),
        "sample": "sample_id",
        "group": ["host_subject_id"],
        "unmatched": "drop",
        "min_fields": 0,
        "time": None,
        "fields": {"diet_2": CATEGORICAL, "antiexposedall": CATEGORICAL},
        "targets": {"delivery": "classification", "month_of_life": "regression"},
        "folds": 5,
        "repeats": 1,
        "test": 0.2,
        "validation": 0.15,
    }
    samples = list(tables.read_table(data / "ecam_10249" / "table.biom").ids())
    design, _, split, _ = saved(tmp_path, config, samples)
    assert (len(design), design["group"].nunique()) == (699, 42)
    vaginal = (design["delivery"] == "Vaginal").to_numpy()
    assert (pd.Series(vaginal).groupby(split["fold"]).mean().between(0.5, 0.7)).all()
    assert split["fold"].value_counts().between(110, 170).all()
