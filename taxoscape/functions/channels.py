"""KO copies -> shares of functional channels, by KEGG pathway.

A KO belongs to a channel through its pathways (KEGG-derived map: pathway -> KOs, a file of the user's) or by itself
(short-chain fatty acids); resources/channels.tsv says which. A KO of several channels is shared equally among them;
a KO of none is unmapped.
"""

import re
from pathlib import Path

import pandas as pd

from taxoscape import inputs, tables
from taxoscape.errors import InputError, examples


def read_channels(path: str | Path) -> pd.DataFrame:
    """Read resources/channels.tsv: channel, kind (pathway | ko), id, note, source. Channels keep the order of the file.

    A row of kind `list` represents the KOs of another file beside it: ko, acid, route, ec, enzyme, source (scfa.tsv).
    """
    frame = tables.read_tsv(path, "channels")
    parts = []
    for row in frame.itertuples():
        if row.kind == "list":
            kos = tables.read_tsv(Path(path).with_name(row.id), "short-chain fatty acids")
            parts.append(pd.DataFrame({"channel": row.channel, "kind": "ko", "id": kos["ko"], "note": kos["enzyme"]}))
        else:
            parts.append(frame.loc[[row.Index]])
    return pd.concat(parts, ignore_index=True).fillna({"source": "scfa.tsv"})


def acid_copies(copies: pd.DataFrame, acids: pd.DataFrame) -> pd.DataFrame:
    """Copies per genome [N, acids] of the KOs that make each short-chain fatty acid, from KO copies [N, K]."""
    groups = acids.groupby("acid")["ko"]
    return pd.DataFrame({acid: copies[copies.columns.intersection(kos)].sum(axis=1) for acid, kos in groups})


def read_map(path: str | Path | None) -> dict[str, set[str]]:
    """Read pathway number -> KOs from lines `ko00564<TAB>K00999<TAB>...` (PICRUSt2's layout, may be gzipped)."""
    if path is None:  # method none has no KOs to map
        return {}
    pathways = {}
    for line in inputs.read_text(path, "functions.reference.map").splitlines():
        name, *kos = line.split("\t")
        number = re.search(r"\d{5}$", name)
        if number:
            pathways.setdefault(number.group(), set()).update(ko.removeprefix("ko:") for ko in kos if ko)
    if not any(pathways.values()):
        raise InputError(f"functions.reference.map {path} has no line `ko00010<TAB>K00001<TAB>...`: give KEGG's map")
    return pathways


def weights(kos: list[str], channels: pd.DataFrame, pathways: dict[str, set[str]]) -> pd.DataFrame:
    """Share of each KO in each channel [K, C]: 1/c where a KO belongs to c channels; rows of unmapped KOs are zero.

    Raises InputError when none of the KOs is mapped.
    """
    kos = list(kos)
    member = pd.DataFrame(0.0, index=kos, columns=list(channels["channel"].unique()))
    for channel, rows in channels.groupby("channel", sort=False):
        numbers = rows.loc[rows["kind"] == "pathway", "id"]
        held = set(rows.loc[rows["kind"] == "ko", "id"]).union(*(pathways.get(number, set()) for number in numbers))
        member.loc[member.index.isin(held), channel] = 1.0
    if kos and not member.to_numpy().any():
        raise InputError(f"none of {len(kos):,} KOs ({examples(kos)}) is in functions.reference.map: give KEGG's map")
    return member.div(member.sum(axis=1).clip(lower=1), axis=0)


def shares(copies: pd.DataFrame, weight: pd.DataFrame) -> pd.DataFrame:
    """Channel shares [N, C], rows summing to 1, of KO copies [N, K]; a taxon without mapped copies has equal shares."""
    mapped = pd.DataFrame(copies.to_numpy(dtype=float) @ weight.to_numpy(), copies.index, weight.columns)
    mapped[mapped.sum(axis=1) == 0] = 1.0
    return mapped.div(mapped.sum(axis=1), axis=0)


def with_mapped(copies: pd.DataFrame, weight: pd.DataFrame) -> pd.DataFrame:
    """Leave out taxa whose profile has no mapped KO: such a profile says nothing about channels."""
    return copies[copies.loc[:, weight.any(axis=1).to_numpy()].sum(axis=1) > 0] if copies.shape[1] else copies


def unmapped_share(copies: pd.DataFrame, weight: pd.DataFrame) -> float:
    """Share of all gene copies [N, K] whose KO belongs to no channel; NaN where there are no copies."""
    per_ko = copies.to_numpy(dtype=float).sum(axis=0)
    return float(per_ko[~weight.any(axis=1).to_numpy()].sum() / per_ko.sum()) if len(per_ko) else float("nan")
