"""Graft placements into their reference tree: every query becomes a tip at its likeliest place.

A placement names an edge of the tree, the distance of the place from the lower end of that edge (distal length), and
the length of the query's own branch (pendant length), all in substitutions/site.
F. A. Matsen et al., A format for phylogenetic placements, PLoS ONE 7 (2012), e31009.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from operator import attrgetter

import pandas as pd
from skbio import TreeNode

# A name, a length and the number of the edge above it, as jplace marks it in Newick: `name:0.1{5}`.
MARKED = re.compile(r"('(?:[^']|'')*'|[^(),:;{}\[\]']*):([^(),:;{}\[\]]+)(?:\[[^\]]*\])?\{(\d+)\}")


@dataclass(frozen=True)
class Placement:
    """A place of a query."""

    query: str
    edge: int
    distal: float  # substitutions/site from the lower end of the edge
    pendant: float  # substitutions/site
    weight: float  # share of the likelihood among the places tried (0-1)


def read_placements(jplace: dict) -> list[Placement]:
    """All places of all queries, in their order in the file."""
    places = []
    for entry in jplace["placements"]:
        names = entry["n"] if "n" in entry else [name for name, _ in entry["nm"]]
        for name in [names] if isinstance(names, str) else names:
            for place in entry["p"]:
                by = dict(zip(jplace["fields"], place, strict=True))
                numbers = (by["distal_length"], by["pendant_length"], by["like_weight_ratio"])
                places.append(Placement(name, int(by["edge_num"]), *map(float, numbers)))
    return places


def write_placements(places: Iterable[Placement], marked: str, invocation: str) -> dict:
    """Placements and their tree (Newick with numbered edges) in the form of a jplace file."""
    rows: dict[str, list] = {}
    for place in places:
        rows.setdefault(place.query, []).append([place.edge, place.weight, place.distal, place.pendant])
    return {
        "version": 3,
        "tree": marked,
        "fields": ["edge_num", "like_weight_ratio", "distal_length", "pendant_length"],
        "placements": [{"p": row, "n": [name]} for name, row in rows.items()],
        "metadata": {"invocation": invocation},
    }


def likeliest(places: Iterable[Placement]) -> list[Placement]:
    """Likeliest place of each query, in their order; of places equally likely the one on the first edge."""
    by_query: dict[str, list[Placement]] = defaultdict(list)
    for place in places:
        by_query[place.query].append(place)
    return [min(some, key=lambda place: (-place.weight, place.edge)) for some in by_query.values()]


def placement_table(places: Iterable[Placement]) -> pd.DataFrame:
    """Places as a table: the edge, its share of the likelihood, distal and pendant length (substitutions/site)."""
    columns = ["Feature ID", "edge", "distal_length", "pendant_length", "like_weight_ratio"]
    return pd.DataFrame(map(astuple, places), columns=columns)


def marked_tree(marked: str) -> TreeNode:
    """Parse Newick with numbered edges; the nodes are called `number|name`."""
    return TreeNode.read([MARKED.sub(_label_with_edge, marked)], format="newick", convert_underscores=False)


def graft(marked: str, placements: Iterable[Placement]) -> TreeNode:
    """Insert queries into the tree of a jplace file (Newick with numbered edges) -> tree of references and queries.

    No path between two references changes its length. Queries on one edge each have a node of their own, in the order
    of their distance from its lower end; those at the same distance share it. Labels of inner nodes are dropped:
    a support speaks of a branch of the reference tree, which the queries have parted.
    """
    tree = marked_tree(marked)
    on_edge = defaultdict(list)
    for placement in placements:
        on_edge[placement.edge].append(placement)
    grown: dict[int, TreeNode] = {}  # node of the tree -> the top of what has grown on the branch above it
    for node in tree.postorder():
        edge, _, name = (node.name or "|").partition("|")
        children = [grown.pop(id(child)) for child in node.children]
        copy = TreeNode(None if children else name, length=node.length, children=children)
        grown[id(node)] = _hang(copy, on_edge.pop(int(edge), [])) if node.parent else copy
    assert not on_edge, f"placements on edges that the tree does not have: {sorted(on_edge)}"
    return grown[id(tree)]


def _hang(node: TreeNode, placements: list[Placement]) -> TreeNode:
    """Hang queries on the branch above a node, from below to above -> the uppermost node of that branch."""
    length, below, joint = node.length, 0.0, None  # below: distance of the last joint from the lower end
    for placement in sorted(placements, key=attrgetter("distal")):
        query = TreeNode(placement.query, length=max(placement.pendant, 0.0))
        at = min(max(placement.distal, 0.0), length)
        if joint and at == below:
            joint.append(query)
            continue
        node.length = at - below
        node = joint = TreeNode(length=length - at, children=[node, query])
        below = at
    return node


def _label_with_edge(match: re.Match) -> str:
    name, length, edge = match.groups()
    inner = name[1:-1] if name.startswith("'") else name
    return f"'{edge}|{inner}':{length}"
