"""ASVs inserted into a reference tree: aligned in its columns, placed, grafted without changing a path."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import yaml
from conftest import ROOT
from scipy.stats import spearmanr
from skbio import TreeNode
from test_phylogeny import evolve, fake, needs, needs_mafft, settings, tip_distances  # noqa: F401
from test_trees import random_tree

from taxoscape import tables, trees
from taxoscape.errors import InputError
from taxoscape.phylogeny import rooting, tools
from taxoscape.phylogeny.align import align
from taxoscape.phylogeny.graft import Placement, graft, likeliest, placement_table, read_placements, write_placements
from taxoscape.phylogeny.infer import infer
from taxoscape.phylogeny.mask import mask_columns
from taxoscape.phylogeny.place import add_to_reference, place
from taxoscape.phylogeny.reference import carry_over, mark_edges, number_edges, read_reference

needs_raxml = needs("RAxML")


def scatter(tree: TreeNode, count: int, seed: int) -> list[Placement]:
    """Random places on random edges, several on some, some at an end of their edge."""
    rng = np.random.default_rng(seed)
    edges = number_edges(tree)
    places = []
    for query in range(count):
        edge = int(rng.integers(len(edges) // 3))
        distal = edges[edge].length * rng.choice([0, 1, 0.5, rng.random()])
        places.append(Placement(f"q{query}", edge, distal, rng.exponential(), 1.0))
    return places


def path_lengths(tree: TreeNode, places: list[Placement], names: list[str]) -> np.ndarray:
    """Distances among tips and queries by shortest paths: every query hangs on a point of its edge."""
    edges = number_edges(tree)
    points = {id(node): index for index, node in enumerate(tree.preorder())}
    tips = {tip.name: points[id(tip)] for tip in tree.tips()}
    links = []
    for number, node in edges.items():
        here = sorted((place.distal, place.query) for place in places if place.edge == number)
        last, at = points[id(node)], 0.0
        for distal, query in here:
            points[query] = len(points)
            links.append((last, points[query], distal - at))
            last, at = points[query], distal
        links.append((last, points[id(node.parent)], node.length - at))
    for one in places:
        tips[one.query] = len(points)
        points[one.query, "tip"] = len(points)
        links.append((points[one.query], tips[one.query], one.pendant))
    graph = np.full((len(points), len(points)), np.inf)
    for a, b, length in links:
        graph[a, b] = length
    graph = scipy.sparse.csgraph.csgraph_from_dense(graph, null_value=np.inf)
    found = scipy.sparse.csgraph.shortest_path(graph, directed=False)
    order = [tips[name] for name in names]
    return found[np.ix_(order, order)]


@pytest.mark.parametrize(("tips", "queries"), [(4, 1), (5, 12), (40, 60)])
@pytest.mark.parametrize("seed", range(3))
def test_paths_of_a_grafted_tree_are_those_over_the_points_of_the_edges(tips, queries, seed):
    tree = random_tree(tips, seed)
    places = scatter(tree, queries, seed)
    references = [tip.name for tip in tree.tips()]
    grown = graft(mark_edges(tree), places)
    names = references + [place.query for place in places]
    assert sorted(tip.name for tip in grown.tips()) == sorted(names)
    np.testing.assert_allclose(tip_distances(grown, references), tip_distances(tree, references), atol=1e-12)
    np.testing.assert_allclose(tip_distances(grown, names), path_lengths(tree, places, names), atol=1e-9)
    assert all(len(node.children) > 1 for node in grown.non_tips(include_self=True))


def test_the_order_of_placements_decides_nothing_but_ties():
    tree = random_tree(20, 0)
    places = scatter(tree, 30, 1)
    names = [tip.name for tip in tree.tips()] + [place.query for place in places]
    first, second = (tip_distances(graft(mark_edges(tree), some), names) for some in (places, places[::-1]))
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_queries_at_one_point_share_their_node_and_ends_are_kept():
    places = [
        Placement("p", 1, 0.25, 1.0, 1.0),
        Placement("q", 1, 0.25, 2.0, 1.0),
        Placement("far", 1, 7.0, 0.5, 1.0),
        Placement("near", 1, -1.0, -0.5, 1.0),
    ]
    grown = graft("(a:1{0},'b c':0.5{1},d:1[x]{2});", places)
    assert rooting.newick(grown) == ("(a:1.0,((('b c':0.0,near:0.0):0.25,p:1.0,q:2.0):0.25,far:0.5):0.0,d:1.0);\n")


def test_the_likeliest_place_is_taken_and_ties_go_to_the_first_edge():
    fields = ["edge_num", "likelihood", "like_weight_ratio", "distal_length", "pendant_length"]
    jplace = {
        "fields": fields,
        "placements": [
            {"p": [[5, -9.0, 0.2, 0.1, 0.3], [4, -8.0, 0.4, 0.2, 0.4], [3, -8.0, 0.4, 0.5, 0.6]], "n": ["x", "y"]},
            {"p": [[1, -8.0, 1.0, 0.0, 0.1]], "nm": [["z", 3]]},
        ],
    }
    best = likeliest(read_placements(jplace))
    assert best == [Placement(name, 3, 0.5, 0.6, 0.4) for name in "xy"] + [Placement("z", 1, 0.0, 0.1, 1.0)]
    assert placement_table(best).iloc[0].tolist() == ["x", 3, 0.5, 0.6, 0.4]


def test_a_jplace_document_comes_back():
    places = scatter(random_tree(9, 0), 5, 0)
    assert read_placements(json.loads(json.dumps(write_placements(places, "();", "-f v")))) == places


@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("seed", range(4))
def test_places_are_carried_over_to_the_same_tree_with_another_root_and_other_units(seed, scale):
    tree = random_tree(30, seed)
    tree.bifurcate(insert_length=0.0)
    names = [tip.name for tip in tree.tips()]
    rng = np.random.default_rng(seed)
    other = tree.root_at(list(tree.non_tips())[rng.integers(20)])
    other.unroot()
    other.prune()
    for node in other.preorder(include_self=False):
        node.name = node.name if not node.children else None
        node.length *= scale
    places = scatter(other, 40, seed)
    moved, factor = carry_over(places, mark_edges(other), tree)
    assert factor == pytest.approx(1 / scale)
    names += [place.query for place in places]
    expected = tip_distances(graft(mark_edges(other), places), names) / scale
    np.testing.assert_allclose(tip_distances(graft(mark_edges(tree), moved), names), expected, atol=1e-9)


def write_reference(folder, rows: dict[str, str], tree: TreeNode) -> tuple[str, str]:
    tables.write_fasta(rows, folder / "reference.fasta")
    (folder / "reference.nwk").write_text(rooting.newick(tree))
    return str(folder / "reference.fasta"), str(folder / "reference.nwk")


def test_a_reference_is_read_without_labels_polytomies_and_single_children(tmp_path):
    rows = dict.fromkeys("abcd", "AC.T-")
    paths = write_reference(tmp_path, rows, TreeNode.read(["(((a:1,b:1,c:1)0.9:1)x:1,d:-1)r;"]))
    found, tree = read_reference(*paths, "reference")
    assert set(found.values()) == {"AC-T-"}
    assert all(len(node.children) == 2 and node.name is None for node in tree.non_tips(include_self=True))
    expected = trees.patristic_distances(trees.tree_arrays(TreeNode.read(["((a:1,b:1,c:1):2,d:0);"])))
    np.testing.assert_allclose(tip_distances(tree, list("abcd")), expected)


REFERENCES = {
    "uneven": ({"a": "AC", "b": "A", "c": "AC", "d": "AC"}, "((a:1,b:1):1,(c:1,d:1):1);", "rows of 1 to 2 columns"),
    "other ids": (dict.fromkeys("abcx", "AC"), "((a:1,b:1):1,(c:1,d:1):1);", r"differ in 2 ids \(d, x\)"),
    "three": (dict.fromkeys("abc", "AC"), "((a:1,b:1):1,c:1);", "has 3 sequences, 4 are needed"),
    "no root": (dict.fromkeys("abcd", "AC"), "(a:1,b:1,(c:1,d:1):1);", "has no root: choose midpoint or outgroup"),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_a_reference_that_does_not_fit_is_refused(case, tmp_path):
    rows, text, message = REFERENCES[case]
    with pytest.raises(InputError, match=message):
        read_reference(*write_reference(tmp_path, rows, TreeNode.read([text])), "reference")


@needs_mafft
def test_asvs_take_the_columns_of_the_reference_whatever_the_threads():
    family = evolve(20, 4)
    names = list(family)
    reference = {name: family[name] for name in names[:12]}
    asvs = {name: family[name][60:200] for name in names[12:]}
    asvs[names[12]] = asvs[names[12]][:70] + "ACGTA" + asvs[names[12]][70:]  # letters that no column takes
    (rows, call), (again, _) = (add_to_reference(asvs, reference, settings(), threads) for threads in (1, 3))
    assert rows == again
    assert list(rows) == names[12:]
    for name in names[13:]:
        assert rows[name] == "-" * 60 + family[name][60:200] + "-" * 100
    assert "--keeplength" in call["arguments"]["MAFFT"]


def test_asvs_that_cannot_be_inserted_are_refused(fake):  # noqa: F811
    with pytest.raises(InputError, match="at least 2 sequences, 1 of the features have one"):
        add_to_reference({"a": "ACGT"}, {"r": "ACGT"}, settings(), 1)
    with pytest.raises(InputError, match=r"1 features have the id of a sequence in .*\(r\)"):
        add_to_reference({"a": "ACGT", "r": "ACGT"}, {"r": "ACGT"}, settings(), 1)
    fake("mafft", 'printf ">r0\\nACGT\\n>q0\\nACG-\\n>q1\\n----\\n"')
    with pytest.raises(InputError, match=r"1 of 2 ASVs align to no column of the reference \(b\)"):
        add_to_reference({"a": "ACG", "b": "TTT"}, {"r": "ACGT"}, settings(), 1)


EPA = """
[ "$1" != --version ] || echo EPA-ng v0.3.8
while [ $# -gt 0 ]; do case "$1" in --outdir) out=$2;; esac; shift; done
[ -z "$out" ] || cat > "$out/epa_result.jplace" <<END
{"version": 3, "tree": "((r0:1{0},r1:1{1}):2{2},r2:1{3},r3:1{4});", "metadata": {}, "placements": [
 {"p": [[2, -5, 0.9, 1.5, 0.25], [0, -6, 0.1, 0.5, 0.5]], "n": ["q1"]}, {"p": [[1, -5, 1, 0.25, 0.125]], "n": ["q0"]}],
 "fields": ["edge_num", "likelihood", "like_weight_ratio", "distal_length", "pendant_length"]}
END
"""


def test_epa_ng_is_called_as_documented_and_its_places_are_put_on_the_reference_tree(fake):  # noqa: F811
    called = fake("epa-ng", EPA)
    tree = TreeNode.read(["(('a x':1,b:1):0.5,(c:1,d:1):1.5);"])
    reference = dict.fromkeys(["a x", "b", "c", "d"], "ACGT")
    model = "GTR{1/2/1/1/2/1}+FU{0.2/0.3/0.3/0.2}+G4m{0.5}"
    config = settings(placer="epa-ng") | {"reference": {"alignment": "x", "tree": "y", "model": model}}
    answer, call = place({"asv 1": "ACGT", "asv 2": "AC-T"}, reference, tree, config)
    said = called.read_text().splitlines()[0]
    assert f"--model {model} --outdir " in said
    assert said.endswith("--threads 1")
    assert all(flag in said for flag in ("--tree /", "--ref-msa /", "--query /"))
    assert call == {"versions": {"EPA-ng": "0.3.8"}, "arguments": {"EPA-ng": f"--model {model}"}}
    assert answer["tree"] == "(('a x':1.0{1},b:1.0{2}):0.5{0},(c:1.0{4},d:1.0{5}):1.5{3});"
    places = read_placements(answer)
    assert places == [
        Placement("asv 1", 2, 0.25, 0.125, 1.0),
        Placement("asv 2", 3, 0.5, 0.25, 0.9),  # 1.5 from the lower end on the other side of the root
        Placement("asv 2", 1, 0.5, 0.5, 0.1),
    ]


@pytest.fixture(scope="module")
def family() -> dict[str, str]:
    return evolve(30, 11)


def bipartitions(tree: TreeNode) -> set[frozenset]:
    everything = {tip.name for tip in tree.tips()}
    first = min(everything)
    sides = [{tip.name for tip in node.tips(include_self=True)} for node in tree.preorder(include_self=False)]
    return {frozenset(side if first not in side else everything - side) for side in sides}


@needs_raxml
@needs("FastTree")
def test_raxmls_places_graft_to_its_own_labelled_tree(family, tmp_path):
    # RAxML 8.2.12 writes the reference tree with the queries on their likeliest branches: RAxML_labelledTree.
    names = list(family)
    reference = {f"r{row}": family[name] for row, name in enumerate(names[:22])}
    queries = {f"q{row}": "-" * 50 + family[name][50:220] + "-" * 80 for row, name in enumerate(names[22:])}
    tree, _ = infer(reference, settings(), 0)
    for node in tree.non_tips(include_self=True):
        node.name = None
    tables.write_fasta(reference | queries, tmp_path / "all.fasta")
    (tmp_path / "tree.nwk").write_text(rooting.newick(tree))
    command = [tools.program("RAxML"), "-f", "v", "-m", "GTRGAMMA", "-T", "2", "-n", "x", "-w", str(tmp_path)]
    subprocess.run(
        [*command, "-s", tmp_path / "all.fasta", "-t", tmp_path / "tree.nwk"], check=True, capture_output=True
    )
    jplace = json.loads((tmp_path / "RAxML_portableTree.x.jplace").read_text())
    grown = graft(jplace["tree"], likeliest(read_placements(jplace)))
    text = re.sub(r"\[I\d+\]", "", (tmp_path / "RAxML_labelledTree.x").read_text())
    labelled = TreeNode.read([text], convert_underscores=False)
    for tip in labelled.tips():
        tip.name = tip.name.removeprefix("QUERY___")
    for query in queries:
        wanted = [*reference, query]
        assert bipartitions(grown.shear(wanted)) == bipartitions(labelled.shear(wanted)), query


@needs_raxml
@needs_mafft
@needs("FastTree")
def test_an_insertion_is_repeatable_and_close_to_the_tree_of_all(family):
    names = list(family)
    reference = {name: family[name] for name in names[:20]}
    tree, _ = infer(reference, settings(), 0)
    for node in tree.non_tips(include_self=True):
        node.name = None
    tree.bifurcate(insert_length=0.0)
    asvs = {name: family[name][40:260] for name in names[20:]}
    config = settings(placer="raxml")
    rows, _ = add_to_reference(asvs, reference, config, 1)
    (answer, call), (again, _) = (place(rows, reference, tree, config) for _ in range(2))
    assert answer == again
    assert call["versions"]["RAxML"].startswith("8.")
    grown = graft(answer["tree"], likeliest(read_placements(answer)))
    np.testing.assert_allclose(tip_distances(grown, names[:20]), tip_distances(tree, names[:20]), atol=1e-9)
    full, _ = infer(family, settings(), 0)
    upper = np.triu_indices(30, 1)
    found, expected = (tip_distances(some, names)[upper] for some in (grown, full))
    assert np.corrcoef(found, expected)[0, 1] > 0.9


@pytest.mark.slow
@needs_raxml
@needs_mafft
@needs("FastTree")
def test_v4_of_held_out_archaea_is_nearer_to_the_full_tree_when_inserted(data, tmp_path):
    """Every fifth reference genome and every fourth of the 150 held-out ones; the tree of all 1,002 is the truth."""
    folder = data / "picrust2_archaea"
    tree = trees.read_tree(folder / "reference.tre")
    kept = sorted(tip.name for tip in tree.tips())[::5]
    rows = tables.read_fasta(folder / "reference.fna", tables.ALIGNED)
    paths = write_reference(tmp_path, {name: rows[name] for name in kept}, tree.shear(kept))
    reference, tree = read_reference(*paths, "midpoint")
    asvs = dict(list(tables.read_fasta(folder / "queries_v4.fna").items())[::4])
    names, config = list(asvs), settings(placer="raxml")
    full = trees.read_tree(data / "trees/picrust2_arc_ref.tre")
    upper = np.triu_indices(len(names), 1)
    truth = tip_distances(full, [name.removeprefix("asv_") for name in names])[upper]
    answer, _ = place(add_to_reference(asvs, reference, config, 1)[0], reference, tree, config)
    inserted = graft(answer["tree"], likeliest(read_placements(answer)))
    built, _ = infer(mask_columns(align(asvs, config, 1)[0], 1.0, 0.4)[0], config, 0)
    agreement = [spearmanr(tip_distances(some, names)[upper], truth)[0] for some in (inserted, built)]
    print(f"Spearman to the full tree: inserted {agreement[0]:.3f}, de novo {agreement[1]:.3f}")
    assert agreement[0] > 0.85
    assert agreement[0] > agreement[1] + 0.05


@pytest.mark.slow
@needs_raxml
@needs_mafft
def test_a_study_is_inserted_by_the_workflow(family, tmp_path):
    names = list(family)
    tree = TreeNode.read([rooting.newick(infer({n: family[n] for n in names[:20]}, settings(), 0)[0])])
    for node in tree.non_tips(include_self=True):
        node.name = None
    write_reference(tmp_path, {name: family[name] for name in names[:20]}, tree)
    asvs = {f"asv{row}": family[name][40:260] for row, name in enumerate(names[20:])}
    tables.write_fasta(asvs, tmp_path / "asvs.fasta")
    counts = np.random.default_rng(0).integers(300, 400, (6, len(asvs)))
    samples = [f"s{row}" for row in range(6)]
    tables.write_table(counts, asvs, samples, tmp_path / "table.biom")
    lineages = pd.DataFrame({"Feature ID": list(asvs), "Taxon": "k__Bacteria; p__Firmicutes"})
    lineages.to_csv(tmp_path / "taxonomy.tsv", sep="\t", index=False)
    pd.DataFrame({"sample_id": samples, "age": range(6)}).to_csv(tmp_path / "metadata.tsv", sep="\t", index=False)
    config = {
        "input": {"kind": "table", "table": "table.biom", "sequences": "asvs.fasta", "taxonomy": "taxonomy.tsv"},
        "functions": {"method": "none"},
        "metadata": {"file": "metadata.tsv", "fields": {"age": {"type": "continuous", "unit": "days"}}, "folds": 2},
        "aam": {"enabled": False},
        "phylogeny": {
            "method": "insertion",
            "placer": "raxml",
            "reference": {"alignment": "reference.fasta", "tree": "reference.nwk"},
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(tmp_path), "--configfile", str(tmp_path / "config.yaml"), "--until", "describe_tree"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    tree = trees.read_tree(tmp_path / "results/phylogeny/tree.nwk")
    assert {tip.name for tip in tree.tips()} == set(asvs)
    quality = json.loads((tmp_path / "results/phylogeny/quality.json").read_text())
    assert quality["source"] == "inserted"
    assert quality["references"] == 20
    assert quality["placements"]["pendant_length"]["min"] >= 0
    versions = json.loads((tmp_path / "results/phylogeny/versions.json").read_text())
    assert versions["versions"].keys() == {"scikit-bio", "MAFFT", "RAxML"}
