"""Words of the tables that a reader may not know, explained once for the whole page."""

import re

from taxoscape import tables
from taxoscape.digest import ROOT

LISTED = tables.read_tsv(ROOT / "workflow" / "report" / "report" / "words.tsv", "words of the report")
WORDS = dict(LISTED.itertuples(index=False, name=None))
KNOWN = {form.lower(): word for word in WORDS for form in (word, f"{word}s")}


def explained(heading: str) -> str | None:
    """Word that explains a heading: the heading, what stands before its comma, or its first word."""
    for word in (heading, heading.partition(",")[0], heading.partition(" ")[0]):
        if word.lower() in KNOWN:
            return KNOWN[word.lower()]
    return None


def anchor(word: str) -> str:
    """Id of the explanation of a word."""
    return "word-" + re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
