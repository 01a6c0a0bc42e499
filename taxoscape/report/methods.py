"""Methods: what was done in the words of a paper, the versions that ran, their arguments, the literature to cite.

A paragraph names a reference as @key, a row of resources/citations.tsv.
"""

import json
import re
from pathlib import Path

import pandas as pd

import taxoscape
from taxoscape import tables
from taxoscape.files import read_json
from taxoscape.report.paragraphs import PARAGRAPHS
from taxoscape.report.parts import Section, Table

KEY = r"@([\w-]+)"


def methods(files: dict, config: dict) -> Section:
    """Section with the paragraphs, the tools with versions and arguments, and the references."""
    stages = {Path(path).parent.name: read_json(path) for path in files["versions"]}
    versions = {tool: version for found in stages.values() for tool, version in found["versions"].items()}
    citations = tables.read_tsv(files["citations"], "citations").set_index("key")
    paragraphs = [text for text in (write(config, versions) for write in PARAGRAPHS) if text]
    section = Section("methods", "Methods", "Ready to be shortened for a paper; every number is this run's.")
    section.notes = [cited(paragraph, citations) for paragraph in paragraphs]
    section.tables = [
        Table("Tools that ran", tool_table(stages), folded=True),
        Table("Arguments they were called with", argument_table(stages), folded=True),
    ]
    section.references = list(reference_table(paragraphs, citations).itertuples(index=False, name=None))
    return section


def cited(paragraph: str, citations: pd.DataFrame) -> str:
    """Replace every @key by its author and year in brackets; other words with an @ (names of a study) stay."""
    return re.sub(KEY, lambda found: _short(found, citations), paragraph)


def reference_table(paragraphs: list[str], citations: pd.DataFrame) -> pd.DataFrame:
    """References that the paragraphs name, by author."""
    named = {key for paragraph in paragraphs for key in re.findall(KEY, paragraph)}
    found = citations.loc[sorted(named & set(citations.index))].sort_values("short")
    return pd.DataFrame({"reference": found["citation"], "doi": found["doi"]})


def tool_table(stages: dict) -> pd.DataFrame:
    rows = [[stage, tool, version] for stage, found in stages.items() for tool, version in found["versions"].items()]
    return pd.DataFrame([*rows, ["report", "taxoscape", taxoscape.__version__]], columns=["stage", "tool", "version"])


def argument_table(stages: dict) -> pd.DataFrame:
    """One row a call: the arguments as they were handed over."""
    rows = [
        [stage, call, given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)]
        for stage, found in stages.items()
        for call, given in found.get("arguments", {}).items()
    ]
    return pd.DataFrame(rows, columns=["stage", "call", "arguments"])


def _short(found: re.Match, citations: pd.DataFrame) -> str:
    return f"({citations.loc[found[1], 'short']})" if found[1] in citations.index else found[0]
