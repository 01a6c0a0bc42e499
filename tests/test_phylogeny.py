"""From sequences to a rooted tree: aligned and masked by rule, repeatable, rooted half-way, held against lineages."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from skbio import DNA, TabularMSA, TreeNode
from test_trees import random_tree

from taxoscape import checks, programs, tables, trees
from taxoscape.errors import InputError
from taxoscape.phylogeny import mask, quality, rooting, tools
from taxoscape.phylogeny.align import align, odd_lengths
from taxoscape.phylogeny.check import check_phylogeny
from taxoscape.phylogeny.finish import finish, take
from taxoscape.phylogeny.infer import infer
from taxoscape.phylogeny.rooting import members, root_at_outgroup


def needs(name: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed."""
    return pytest.mark.skipif(not any(map(shutil.which, tools.PROGRAMS[name])), reason=f"{name} is not installed")


needs_mafft, needs_fasttree = needs("MAFFT"), needs("FastTree")
BUILT = [pytest.param(builder, marks=needs(name)) for builder, name in tools.BUILDERS.items()]
SUPPORTED = [
    pytest.param("fasttree", "ufboot", "SH-like", 1, marks=needs("FastTree")),
    pytest.param("veryfasttree", "ufboot", "SH-like", 1, marks=needs("VeryFastTree")),
    pytest.param("iqtree", "ufboot", "ultrafast bootstrap", 100, marks=needs("IQ-TREE")),
    pytest.param("iqtree", "sh_alrt", "SH-aLRT", 100, marks=needs("IQ-TREE")),
]


def evolve(tips: int, seed: int, length: int = 300) -> dict[str, str]:
    """Sequences of a random coalescent-like family: each a mutated copy of one before it."""
    rng = np.random.default_rng(seed)
    family = [rng.integers(4, size=length)]
    while len(family) < tips:
        child = family[rng.integers(len(family))].copy()
        sites = rng.choice(length, 12, replace=False)
        child[sites] = rng.integers(4, size=12)
        family.append(child)
    return {
        f"id:{row} (odd)".replace(" ", "_"): "".join("ACGT"[base] for base in bases) for row, bases in enumerate(family)
    }


def tip_distances(tree: TreeNode, names: list[str]) -> np.ndarray:
    arrays = trees.tree_arrays(tree)
    order = [arrays.tips.index(name) for name in names]
    return trees.patristic_distances(arrays)[np.ix_(order, order)]


def settings(**changes: object) -> dict:
    """The phylogeny section of the defaults, with changes."""
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())["phylogeny"] | changes


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a program on the path that notes its arguments in called.txt and then runs some shell lines."""

    def make(name: str, lines: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called.txt\n{lines}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        return tmp_path / "called.txt"

    return make


@needs_mafft
@pytest.mark.parametrize(
    ("aligner", "limit", "said"),
    [
        ("by_size", 100, "--localpair --maxiterate 1000"),
        ("by_size", 3, "--auto"),
        ("linsi", 3, "--localpair --maxiterate 1000"),
        ("auto", 100, "--auto"),
    ],
)
def test_an_alignment_holds_the_same_sequences_in_the_same_order(aligner, limit, said):
    sequences = evolve(12, 0)
    name = list(sequences)[3]
    sequences[name] = sequences[name][:100] + sequences[name][107:]
    config = settings(aligner=aligner, linsi_up_to=limit)
    aligned, call = align(sequences, config, 1)
    assert list(aligned) == list(sequences)
    assert {row.replace("-", "") for row in aligned.values()} == set(sequences.values())
    assert len({len(row) for row in aligned.values()}) == 1
    assert call["arguments"]["MAFFT"].endswith(said)
    assert re.fullmatch(r"7\.\d+", call["versions"]["MAFFT"])
    assert align(sequences, config, 1) == (aligned, call)


@needs_mafft
@pytest.mark.parametrize("aligner", ["linsi", "auto"])
def test_threads_do_not_change_an_alignment(aligner):
    rng = np.random.default_rng(1)
    sequences = {
        name: sequence[: (cut := rng.integers(150))] + sequence[cut + rng.integers(20) :]
        for name, sequence in evolve(60, 2).items()
    }
    one, several = (align(sequences, settings(aligner=aligner), threads) for threads in (1, 3))
    assert one == several


@needs_mafft
def test_gap_penalties_reach_mafft(capsys):
    _, call = align(evolve(3, 0), settings(gap_open=2.5, gap_extend=0.1), 1)
    assert "--op 2.5 --ep 0.1" in call["arguments"]["MAFFT"]
    assert "--op 2.5 --ep 0.1" in capsys.readouterr().out


@needs_mafft
def test_ambiguous_bases_and_odd_lengths_are_aligned_and_named(capsys):
    sequences = evolve(6, 0)
    names = list(sequences)
    sequences[names[1]] = sequences[names[1]][:40] + "RYNNSWKMBDHV" + sequences[names[1]][52:]
    sequences[names[2]] = sequences[names[2]] * 4
    sequences[names[3]] = sequences[names[3]][:60]
    aligned, _ = align(sequences, settings(), 1)
    assert {name: row.replace("-", "") for name, row in aligned.items()} == sequences
    assert odd_lengths(sequences) == {names[2]: 1200, names[3]: 60}
    assert f"2 of 6 sequences are of another length than the rest ({names[2]}, {names[3]})" in capsys.readouterr().out


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_sequences_make_no_tree(count):
    with pytest.raises(InputError, match=f"at least 2 sequences, {count} of the features have one"):
        align(dict(list(evolve(2, 0).items())[:count]), settings(), 1)


def test_a_program_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=r"IQ-TREE \(iqtree3 or iqtree2 or iqtree\) is not installed: run make setup"):
        tools.program("IQ-TREE")


def table_study(tree: str | None, **changed: object) -> dict:
    """Config of a study whose phylogeny alone may call programs."""
    given = {"kind": "table", "tree": tree, "ko": None}
    return {"input": given, "functions": {"method": "none"}, "phylogeny": settings(**changed)}


@pytest.mark.parametrize(("builder", "name"), tools.BUILDERS.items())
def test_absent_builders_are_refused_at_the_door(builder, name, fake, monkeypatch, tmp_path):
    config = table_study(None, builder=builder)
    fake("mafft", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(InputError, match=rf"^{name} \(.* is not installed"):
        checks.check_programs(config)
    for other in tools.PROGRAMS[name]:
        fake(other, "")
        checks.check_programs(config)
    checks.check_programs(table_study("given.nwk", builder=builder))


def test_a_given_tree_needs_no_program(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    checks.check_programs(table_study("given.nwk"))


def test_a_program_that_fails_shows_why():
    with pytest.raises(RuntimeError, match="ended with exit code 2"):
        programs.run(["ls", "/does/not/exist"])


def test_few_replicates_of_the_ultrafast_bootstrap_are_refused():
    few = {"model": "GTR", "support": "ufboot", "replicates": 100}
    config = {"input": {"tree": None}, "phylogeny": settings(builder="iqtree", iqtree=few)}
    with pytest.raises(InputError, match=r"iqtree.replicates=100: the ultrafast bootstrap needs at least 1000"):
        check_phylogeny(config)
    config["phylogeny"]["iqtree"] = few | {"support": "sh_alrt"}
    check_phylogeny(config)


def test_calls_become_one_record():
    calls = [
        {"versions": {"MAFFT": "7.505"}, "arguments": {"MAFFT": "--auto"}},
        {"versions": {"FastTree": "2.1.11"}, "arguments": {"FastTree": "-nt"}, "support": "SH-like"},
    ]
    record = tools.together(calls)
    assert record["versions"].keys() == {"scikit-bio", "MAFFT", "FastTree"}
    assert record["arguments"] == {"MAFFT": "--auto", "FastTree": "-nt"}


def test_column_shares_equal_scikit_bios():
    # scikit-bio 0.7.4: TabularMSA.gap_frequencies; column frequencies without the gaps.
    rows = ["ACGTA-", "AC-TC-", "AG-TG-", "TG-TT."]
    matrix = np.array([np.frombuffer(row.encode(), dtype=np.uint8) for row in rows])
    gaps, conservation = mask.column_shares(matrix)
    msa = TabularMSA(map(DNA, rows))
    np.testing.assert_allclose(gaps, msa.gap_frequencies(axis="sequence", relative=True))
    np.testing.assert_allclose(conservation, [3 / 4, 1 / 2, 1, 1, 1 / 4, 0])


@pytest.mark.parametrize(
    ("max_gap", "min_conservation", "kept"),
    [(1.0, 0.4, "ACGT"), (0.5, 0.4, "ACT"), (1.0, 0.75, "AGT"), (0.0, 0.0, "ACTA"), (1.0, 0.0, "ACGTA-")],
)
def test_the_mask_is_qiime_2s_rule(max_gap, min_conservation, kept):
    aligned = dict(zip("abcd", ["ACGTA-", "AC-TC-", "AG-TG-", "TG-TT."], strict=True))
    masked, columns = mask.mask_columns(aligned, max_gap, min_conservation)
    assert masked["a"] == kept
    assert columns["column"].tolist() == [1, 2, 3, 4, 5, 6]
    assert "".join(np.array(list("ACGTA-"))[columns["kept"] == 1]) == kept
    np.testing.assert_allclose(columns["gaps"], [0, 0, 0.75, 0, 0, 1])


def test_a_mask_that_keeps_nothing_says_which_rule_is_too_strict():
    with pytest.raises(InputError, match=r"none of the 2 alignment columns .*max_gap=0 passes 0.*=0.4 passes 2"):
        mask.mask_columns({"a": "A-", "b": "-C"}, 0.0, 0.4)


def test_a_mask_that_leaves_a_sequence_nothing_names_it():
    aligned = {"a": "ACGT--", "b": "ACGT--", "c": "ACGT--", "odd": "----AC"}
    with pytest.raises(InputError, match=r"leaves 1 of 4 sequences nothing but gaps \(odd\): relax phylogeny.max_gap"):
        mask.mask_columns(aligned, 0.5, 0.4)


@pytest.mark.parametrize("builder", BUILT)
def test_a_tree_is_repeatable_and_close_to_the_differences(builder):
    sequences = evolve(25, 3)
    names = list(sequences)
    config = settings(builder=builder)
    (tree, call), (again, _) = (infer(sequences, config, seed=5) for _ in range(2))
    assert rooting.newick(tree) == rooting.newick(again)
    letters = np.array([list(row) for row in sequences.values()])
    p = (letters[:, None] != letters[None]).mean(axis=2)
    jukes_cantor = -0.75 * np.log(1 - 4 / 3 * p)
    upper = np.triu_indices(25, 1)
    assert np.corrcoef(tip_distances(tree, names)[upper], jukes_cantor[upper])[0, 1] > 0.98
    assert re.fullmatch(r"\d+\.\d+[\w.]*", call["versions"][tools.BUILDERS[builder]])
    assert "seed 5" in call["arguments"][tools.BUILDERS[builder]]


@pytest.mark.parametrize(("builder", "kind", "said", "top"), SUPPORTED)
def test_supports_are_called_by_their_name_and_stay_through_the_rooting(builder, kind, said, top):
    config = settings(builder=builder)
    config["iqtree"] |= {"support": kind}
    tree, call = infer(evolve(25, 3), config, seed=5)
    labels = sorted(float(node.name) for node in tree.non_tips() if node.name)
    report = quality.supports(rooting.root_at_midpoint(tree), [{"versions": {}}, call])
    assert said in report["kind"]
    assert report["branches"] == len(labels) == 22  # inner branches of an unrooted tree of 25 tips
    assert [report["min"], report["max"]] == [labels[0], labels[-1]]
    assert 0 <= labels[0] < labels[-1] <= top
    assert labels[-1] > 0.9 * top


def test_a_tree_without_supports_says_so():
    tree = TreeNode.read(["((a:1,b:1)x:1,c:1);"])
    assert quality.supports(tree, []) is None
    bare = TreeNode.read(["((a:1,b:1):1,c:1);"])
    assert quality.supports(bare, [{"support": "SH-like"}]) is None


def test_veryfasttree_is_called_like_fasttree_on_one_thread(fake):
    called = fake("VeryFastTree", 'echo "VeryFastTree 4.0.5 (OpenMP)" >&2; echo "(0:1,1:1,2:1);"')
    tree, call = infer(evolve(3, 0), settings(builder="veryfasttree"), seed=7)
    assert called.read_text().startswith("-nt -gtr -gamma -cat 20 -seed 7 -nopr -threads 1 -double-precision /")
    assert {tip.name for tip in tree.tips()} == set(evolve(3, 0))
    assert call["versions"] == {"VeryFastTree": "4.0.5"}
    assert "SH-like" in call["support"]


@needs_fasttree
@pytest.mark.parametrize("tips", [2, 3, 4])
def test_few_sequences_make_a_tree(tips):
    sequences = evolve(tips, 1)
    tree = rooting.root_at_midpoint(infer(sequences, settings(), seed=0)[0])
    assert {tip.name for tip in tree.tips()} == set(sequences)
    assert rooting.is_rooted(tree)
    assert (tip_distances(tree, list(sequences))[np.triu_indices(tips, 1)] > 0).all()


@needs_fasttree
@pytest.mark.parametrize("tips", [2, 3, 6])
def test_sequences_that_are_alike_after_masking_make_a_tree(tips):
    sequences = dict.fromkeys(map(str, range(tips)), "ACGT" * 20)
    tree = rooting.root_at_midpoint(infer(sequences, settings(), seed=0)[0])
    rooting.clamp_lengths(tree)
    assert {tip.name for tip in tree.tips()} == set(sequences)
    assert tip_distances(tree, list(sequences)).max() < 0.01


def test_iqtree_refuses_too_few_different_sequences(fake):
    fake("iqtree3", "exit 1")
    sequences = {"a": "ACGT", "b": "ACGT", "c": "ACGA", "d": "ACGG"}
    with pytest.raises(InputError, match="at least 4 different masked sequences, 3 of 4 are: set phylogeny.builder"):
        infer(sequences, settings(builder="iqtree"), 0)


@pytest.mark.parametrize("tips", [2, 3, 5, 40, 300])
@pytest.mark.parametrize("seed", range(3))
def test_the_midpoint_halves_the_longest_path_and_changes_no_distance(tips, seed):
    tree = random_tree(tips, seed)
    names = [tip.name for tip in tree.tips()]
    before = tip_distances(tree, names)
    rooted = rooting.root_at_midpoint(tree)
    assert rooting.is_rooted(rooted)
    np.testing.assert_allclose(tip_distances(rooted, names), before, atol=1e-12)
    arrays = trees.tree_arrays(rooted)
    assert trees.depths(arrays).max() == pytest.approx(before.max() / 2)
    assert quality.diameter(arrays) == pytest.approx(before.max())


def test_supports_stay_with_their_branches():
    tree = rooting.root_at_midpoint(TreeNode.read(["((a:1,b:1)0.9:1,c:1,(d:1,e:9)0.8:2);"]))
    supports = {frozenset(tip.name for tip in node.tips()): node.name for node in tree.non_tips()}
    assert supports[frozenset("ab")] == "0.9"
    assert supports[frozenset("abc")] == "0.8"  # the other side of the branch above (d, e)


def test_tips_on_one_point_keep_their_tree():
    tree = rooting.root_at_midpoint(TreeNode.read(["(a:0,b:0,c:0);"]))
    assert {tip.name for tip in tree.tips()} == set("abc")


def test_negative_lengths_become_zero_and_are_counted():
    tree = TreeNode.read(["((a:-1,b:1):-0.5,c:2);"])
    assert rooting.clamp_lengths(tree) == 2
    assert trees.tree_arrays(tree).length.tolist() == [0, 0, 0, 1, 2]


def given_tree() -> TreeNode:
    return TreeNode.read(["(((a:1,b:2)0.7:1,c_1:4)x:1,(d:1,e:1):2);"], convert_underscores=False)


def test_a_given_tree_is_cut_back_to_the_table_without_changing_distances():
    names = ["d", "a", "c_1"]
    tree, changes = take(given_tree(), names, None, settings(), "t.nwk")
    np.testing.assert_allclose(tip_distances(tree, names), tip_distances(given_tree(), names))
    assert {tip.name for tip in tree.tips()} == set(names)
    assert all(len(node.children) != 1 for node in tree.preorder())
    assert changes == {"source": "given", "root": "given", "negative_lengths": 0}


def test_a_given_tree_without_root_gets_one():
    tree, changes = take(TreeNode.read(["(a:1,b:2,(c:3,d:1):1);"]), list("abcd"), None, settings(), "t.nwk")
    assert rooting.is_rooted(tree)
    assert changes["root"] == "midpoint"


def test_a_tree_that_lacks_tips_is_refused_with_counts_and_examples_or_they_are_dropped(capsys):
    features = ["a", "v", "w", "x", "y", "b"]
    with pytest.raises(InputError, match=r"t.nwk lacks 4 of the 6 features .*\(v, w, x and 1 more\).*missing_tips"):
        take(given_tree(), features, None, settings(), "t.nwk")
    tree, _ = take(given_tree(), features, None, settings(missing_tips="drop"), "t.nwk")
    assert {tip.name for tip in tree.tips()} == {"a", "b"}
    assert "4 of 6 features are not in t.nwk" in capsys.readouterr().out


@pytest.mark.parametrize("features", [["a", "v"], ["v", "w"]])
def test_a_tree_of_another_table_is_refused_even_when_tips_may_be_dropped(features):
    with pytest.raises(InputError, match="at least 2 are needed"):
        take(given_tree(), features, None, settings(missing_tips="drop"), "t.nwk")


def test_newick_comes_back_with_odd_names(tmp_path):
    tree = TreeNode(children=[TreeNode("a b", length=0.1), TreeNode("it's_(1:2)", length=1 / 3)])
    (tmp_path / "t.nwk").write_text(rooting.newick(tree))
    back = trees.tree_arrays(trees.read_tree(tmp_path / "t.nwk"))
    assert back.tips == ["a b", "it's_(1:2)"]
    assert back.length.tolist() == [0, 0.1, 1 / 3]


def test_a_tree_described_by_hand():
    tree = trees.tree_arrays(TreeNode.read(["((a:1,b:0):1,(c:1,d:1,e:6):2);"]))
    report = quality.describe(tree)
    assert report["root_to_tip"] == {"min": 1, "lower_quartile": 2, "median": 3, "upper_quartile": 3, "max": 8}
    assert report["branch_lengths"]["max"] == 6
    del report["root_to_tip"], report["branch_lengths"]
    assert report == {
        "tips": 5,
        "nodes": 8,
        "height": 8,
        "diameter": 10,
        "levels": 2,
        "total_length": 12,
        "zero_branches": 1,
        "coincident_tips": 0,
        "polytomies": 1,
        "long_branches": [{"tip": "e", "length": 6}],
        "long_branches_total": 1,
    }
    assert quality.distances(tree) == {
        "tips": 5,
        "min": 1,
        "lower_quartile": 4,
        "median": 5,
        "upper_quartile": 7,
        "max": 10,
    }


@pytest.mark.parametrize("seed", range(4))
def test_coincident_tips_are_those_at_no_distance_from_another(seed):
    tree = random_tree(30, seed)
    rng = np.random.default_rng(seed)
    for node in tree.preorder(include_self=False):
        node.length *= rng.integers(2)
    arrays = trees.tree_arrays(tree)
    distances = trees.patristic_distances(arrays) + np.eye(30)
    assert quality.coincident(arrays) == (distances == 0).any(axis=1).sum() > 0


def test_lineages_that_are_clades_and_one_that_is_not():
    tree = trees.tree_arrays(TreeNode.read(["(((a:1,b:1):1,c:1):1,((d:1,e:1):1,f:1):1);"]))
    taxa = [f"k__B; p__{phylum}" for phylum in ("X", "X", "Y", "Z", "Z", "Y")]
    agreement = quality.clade_agreement(tree, taxa)
    assert agreement["kingdom"] == {"taxa": 1, "clades": 1, "share": 1}
    assert agreement["phylum"] == {"taxa": 3, "clades": 2, "share": 2 / 3}
    assert agreement["class"] == {"taxa": 0, "clades": 0, "share": None}
    # Tips without a name at the rank do not break a clade: with c unnamed, nothing but X and Y above the left side.
    taxa[0], taxa[1], taxa[2] = "k__B; p__X", "k__B", "k__B; p__X"
    assert quality.clade_agreement(tree, taxa)["phylum"] == {"taxa": 2, "clades": 2, "share": 1}


@pytest.mark.parametrize("seed", range(3))
def test_clade_agreement_equals_scikit_bios_clades(seed):
    tree = random_tree(60, seed)
    arrays = trees.tree_arrays(tree)
    rng = np.random.default_rng(seed)
    taxa = [f"k__{chr(65 + min(rank // 4, 12) + rng.integers(2))}" for rank in range(60)]
    members = {taxon: {tip for tip, own in zip(arrays.tips, taxa, strict=True) if own == taxon} for taxon in set(taxa)}
    several = {taxon: tips for taxon, tips in members.items() if len(tips) > 1}
    clades = sum({tip.name for tip in tree.lca(list(tips)).tips()} == tips for tips in several.values())
    assert quality.clade_agreement(arrays, taxa)["kingdom"] == {
        "taxa": len(several),
        "clades": clades,
        "share": clades / len(several),
    }


@pytest.mark.parametrize(("study", "missing"), [("ecam_10249", "error"), ("ibd_2538", "drop")])
def test_trees_of_real_studies_are_taken(data, study, missing):
    features = list(tables.read_table(data / study / "table.biom").ids("observation"))
    path = data / study / "tree.nwk"
    tree, changes = take(trees.read_tree(path), features, None, settings(missing_tips=missing), path)
    assert len(features) - sum(1 for _ in tree.tips()) == {"ecam_10249": 0, "ibd_2538": 129}[study]
    assert changes["root"] == "given"
    if study == "ibd_2538":
        with pytest.raises(InputError, match="lacks 129 of the 10,099 features"):
            take(trees.read_tree(path), features, None, settings(), path)


def test_tips_named_by_sequences_are_the_features_of_a_table_whose_ids_were_sequences(tmp_path):
    sequences = ["ACGT" * 10 + base for base in "ACG"]
    path = tmp_path / "tree.nwk"
    path.write_text(f"(({sequences[0]}:1,{sequences[1]}:1):1,{sequences[2]}:2);")
    features = [tables.sequence_id(sequence) for sequence in sequences]
    tree, _ = take(trees.read_tree(path), features, None, settings(), path)
    assert {tip.name for tip in tree.tips()} == set(features)


CLASHES = {
    "given without a tree": ({"method": "given"}, "input.tree names no tree"),
    "reference of no insertion": (
        {"reference": {"alignment": None, "tree": "r.nwk", "model": None}},
        r"reference.tree names r.nwk, but phylogeny.method is denovo",
    ),
    "no outgroup": ({"root": "outgroup"}, "phylogeny.outgroup is empty"),
    "unused outgroup": ({"outgroup": ["k__Archaea"]}, r"outgroup names k__Archaea, but phylogeny.root is midpoint"),
    "root of no reference": ({"root": "reference"}, "there is none: phylogeny.method is not insertion"),
    "no alignment": ({"method": "insertion"}, "phylogeny.reference.alignment names no file"),
    "absent tree": (
        {"method": "insertion", "reference": {"alignment": __file__, "tree": "no.nwk", "model": None}},
        "phylogeny.reference.tree no.nwk does not exist",
    ),
    "model for RAxML": (
        {
            "method": "insertion",
            "placer": "raxml",
            "reference": dict.fromkeys(["alignment", "tree", "model"], __file__),
        },
        "phylogeny.placer is raxml, which fits its own",
    ),
    "no model for EPA-ng": (
        {"method": "insertion", "reference": {"alignment": __file__, "tree": __file__, "model": None}},
        "EPA-ng needs one with its parameters",
    ),
    "model without parameters": (
        {"method": "insertion", "reference": {"alignment": __file__, "tree": __file__, "model": "GTR+G"}},
        "phylogeny.reference.model is 'GTR.G', and EPA-ng needs",
    ),
}


@pytest.mark.parametrize("case", CLASHES)
def test_settings_that_do_not_go_together_are_refused(case):
    changes, message = CLASHES[case]
    with pytest.raises(InputError, match=message) as caught:
        check_phylogeny({"input": {"tree": None}, "phylogeny": settings(**changes)})
    assert "\n" not in str(caught.value)


def test_an_insertion_and_a_given_tree_are_one_too_many():
    with pytest.raises(InputError, match="method is insertion, but input.tree names t.nwk"):
        check_phylogeny({"input": {"tree": "t.nwk"}, "phylogeny": settings(method="insertion")})


@pytest.mark.parametrize("model", [__file__, "GTR{1/2/1/1/2/1}+FU{0.2/0.3/0.3/0.2}+G4m{0.5}"])
def test_a_model_with_parameters_is_taken(model):
    reference = {"alignment": __file__, "tree": __file__, "model": model}
    check_phylogeny({"input": {"tree": None}, "phylogeny": settings(method="insertion", reference=reference)})


@pytest.mark.parametrize("seed", range(5))
def test_an_outgroup_stands_on_its_own_side_and_no_distance_changes(seed):
    tree = random_tree(40, seed)
    names = [tip.name for tip in tree.tips()]
    before = tip_distances(tree, names)
    rng = np.random.default_rng(seed)
    inner = list(tree.non_tips())
    side = {tip.name for tip in inner[rng.integers(len(inner))].tips()}
    for outgroup in (side, set(names) - side):
        rooted = root_at_outgroup(tree.copy(), sorted(outgroup))
        assert outgroup in [{tip.name for tip in child.tips(include_self=True)} for child in rooted.children]
        assert len(rooted.children) == 2
        assert rooted.children[0].length == pytest.approx(rooted.children[1].length)
        np.testing.assert_allclose(tip_distances(rooted, names), before, atol=1e-12)


@pytest.mark.parametrize("text", ["(a:1,b:3);", "((a:1,b:1)0.9:1,(c:1,d:1)0.9:3);", "((a:1,b:1)0.9:1,c:1,d:1);"])
def test_trees_with_and_without_a_root_are_rooted_at_a_tip(text):
    rooted = root_at_outgroup(TreeNode.read([text]), ["a"])
    assert ["a"] in [[tip.name for tip in child.tips(include_self=True)] for child in rooted.children]
    names = [tip.name for tip in rooted.tips()]
    np.testing.assert_allclose(tip_distances(rooted, names), tip_distances(TreeNode.read([text]), names))


def test_supports_stay_with_their_branches_at_an_outgroup():
    tree = root_at_outgroup(TreeNode.read(["((a:1,b:1)0.9:1,c:1,(d:1,(e:1,f:1)0.7:1)0.8:2);"]), ["e"])
    supports = {frozenset(tip.name for tip in node.tips()): node.name for node in tree.non_tips()}
    assert supports[frozenset("ab")] == "0.9"
    assert supports[frozenset("abc")] == "0.8"
    assert supports[frozenset("abcd")] == "0.7"


def test_an_outgroup_that_is_no_clade_is_refused_with_those_that_stand_in_it():
    tree = TreeNode.read(["(((a:1,b:1):1,c:1):1,(d:1,e:1):1,(f:1,g:1):1);"])
    with pytest.raises(InputError, match=r"\(2 tips: a, c\) is no clade .* that holds it has 1 other tips \(b\)"):
        root_at_outgroup(tree, ["a", "c"])


def test_an_outgroup_is_ids_or_a_part_of_lineages():
    lineages = pd.Series({"a": "k__Archaea; p__X", "b": "k__Bacteria; p__Y", "c": "k__Archaea", "q": "k__Archaea"})
    assert members(["k__Archaea"], list("abc"), lineages) == ["a", "c"]
    assert members(["d__Archaea"], list("abc"), lineages) == ["a", "c"]
    assert members(["b", "p__X"], list("abc"), lineages) == ["a", "b"]
    assert members(["c"], list("abc"), None) == ["c"]
    with pytest.raises(InputError, match=r"names 'p__Z', which is neither a tip of the tree \(a, b, c\)"):
        members(["p__Z"], list("abc"), lineages)
    with pytest.raises(InputError, match=r"\(k__Archaea, b\) stands for all 3 tips"):
        members(["k__Archaea", "b"], list("abc"), lineages)


def test_long_pendant_branches_are_cut_before_the_rooting_and_counted():
    text = "((a:1,b:1):1,c:1,(d:1,e:30):1);"
    tree, changes = finish(TreeNode.read([text]), list("abcde"), None, settings(max_pendant=4), "built")
    assert changes["capped_total"] == 1
    assert changes["capped"] == ["e"]
    assert trees.depths(trees.tree_arrays(tree)).max() == 3.5
    tree, changes = finish(TreeNode.read([text]), list("abcde"), None, settings(), "built")
    assert changes["capped_total"] == 0
    assert trees.depths(trees.tree_arrays(tree)).max() == 16.5


def test_references_root_the_tree_and_are_pruned():
    text = "(((a:1,r1:1):1,b:1):1,(c:1,r2:1):1,(r3:1,r4:1):9);"
    config = settings(root="outgroup", outgroup=["r3", "r4"])
    tree, changes = finish(TreeNode.read([text]), list("abc"), None, config, "inserted")
    assert changes == {
        "source": "inserted",
        "root": "outgroup",
        "negative_lengths": 0,
        "references": 4,
        "capped_total": 0,
        "capped": [],
    }
    assert {frozenset(tip.name for tip in child.tips(include_self=True)) for child in tree.children} == {
        frozenset("ab"),
        frozenset("c"),
    }
    np.testing.assert_allclose(tip_distances(tree, list("abc")), tip_distances(TreeNode.read([text]), list("abc")))
    kept, _ = finish(TreeNode.read(["((a:1,r:1):1,(b:1,c:1):2);"]), list("abc"), None, settings(root="reference"), "x")
    assert {frozenset(tip.name for tip in child.tips(include_self=True)) for child in kept.children} == {
        frozenset("a"),
        frozenset("bc"),
    }
    assert tip_distances(kept, list("abc"))[0].tolist() == [0, 5, 5]


def test_an_outgroup_roots_a_given_tree_even_where_it_is_not_in_the_table():
    tree, changes = take(given_tree(), ["a", "b", "d"], None, settings(root="outgroup", outgroup=["c_1"]), "t.nwk")
    assert changes["root"] == "outgroup"
    assert {frozenset(tip.name for tip in child.tips(include_self=True)) for child in tree.children} == {
        frozenset("ab"),
        frozenset("d"),
    }
