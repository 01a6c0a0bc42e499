"""Words of the tables that a reader may not know, explained once for the whole page."""

import re

WORDS = {
    "ASV": "amplicon sequence variant: one exact sequence of the 16S fragment, told from sequencing errors",
    "group": "samples that belong together, such as those of one person: they never meet in training and test",
    "R2": "share of the variation that is accounted for: 1 is all, 0 none; below 0 is worse than saying the mean",
    "p": "how often chance alone gives a difference as large",
    "q": "p after correction for the number of tests (false discovery rate)",
    "pseudo-F": "variation between groups over the variation within them",
    "p of dispersion": "a small value says that groups differ in how scattered they are, not only in where they lie",
    "log2 fold change": "doublings: 1 is twice as abundant, -1 half as abundant",
    "mean absolute error": "by how much predictions are off in the mean, in the unit of the variable",
    "CRPS": "error of a whole distribution, in the unit of the variable; of a single value it is the absolute error",
    "accuracy": "share of the samples that are assigned rightly",
    "balanced accuracy": "mean over the classes of the share that is assigned rightly",
    "area under the curve": "chance that a sample of a class gets a higher score than one of another; 0.5 is guessing",
    "macro F1": "mean over the classes of F1, which weighs missed samples against wrongly assigned ones",
    "richness": "number of different ASVs in the reads drawn of a sample",
    "Shannon": "diversity that counts both how many ASVs there are and how evenly they share the reads",
    "Pielou evenness": "how evenly the ASVs share the reads: 1 is all alike",
    "Simpson": "chance that two reads are of different ASVs",
    "Faith's PD": "length of the tree that a sample's ASVs span",
    "unweighted UniFrac": "share of the branches of the tree that only one of two samples has",
    "weighted UniFrac": "the same, with branches weighed by abundance",
    "Bray-Curtis": "share of the reads that two samples do not have in common",
    "Bray-Curtis error": "share of the reads by which a forecast community is off",
    "Aitchison": "distance of log-ratios between taxa: it does not depend on the depth of sequencing",
    "Aitchison error": "distance of log-ratios between a forecast community and the one observed",
    "NSTI": "distance on the tree to the nearest reference genome, in substitutions per site",
    "identity": "share of the bases that agree with the nearest reference",
}
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
