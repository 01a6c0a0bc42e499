"""Paragraphs of the methods: each takes the config and the versions that ran and gives its sentences.

A paragraph of a stage that did not run is empty. @key names a row of resources/citations.tsv.
"""

from pathlib import Path

from taxoscape.forecast.check import why_not
from taxoscape.phenotype.options import regressions


def ran(tool: str, versions: dict) -> str:
    """Name of a tool and, where its stage has recorded it, the version."""
    return f"{tool} {versions[tool]}" if tool in versions else tool


def reads(config: dict, versions: dict) -> str:
    if config["input"]["kind"] != "reads":
        return "The study came as a table of counts; no reads were processed."
    settings, primers = config["denoise"], config["reads"]["primers"]
    cut = "at lengths suggested from the quality profiles"
    if settings["truncate"] != "auto":
        cut = f"to {' and '.join(str(length) for length in settings['truncate'])} nt"
    errors = " and ".join(str(value) for value in settings["max_ee"])
    removed = f"Primers were removed with {ran('cutadapt', versions)} @cutadapt. " if primers else ""
    pool = {
        "independent": "sample by sample",
        "pseudo": "sample by sample with the sequences of the other samples as priors (pseudo-pooling)",
        "within_run": "pooled by sequencing run",
        "pooled": "pooled over the study",
    }[settings["pool"]]
    return (
        f"{removed}Reads were truncated {cut}, filtered (at most {errors} expected errors, {settings['max_n']} "
        f"ambiguous bases, truncation at the first quality of {settings['trunc_q']} or lower"
        f"{', PhiX removed' if settings['remove_phix'] else ''}), and denoised {pool} with {ran('dada2', versions)} "
        f"@dada2 in {ran('R', versions)}, with error models learnt for each sequencing run; chimeras were removed by "
        f"method {settings['chimera']}."
    )


def taxonomy(config: dict, versions: dict) -> str:
    if config["input"]["taxonomy"]:
        return "Lineages are the study's own."
    settings = config["taxonomy"]
    names = Path(settings["training_set"]).name
    source = names.split("_")[0]
    cited = f" @{source}" if source in ("silva", "gtdb", "rdp", "greengenes2") else ""
    own = {"naive_bayes": " (an own implementation that repeats its bytes)", "dada2": " of DADA2 @dada2"}
    species = " Species were named by exact matching." if settings["species"] else ""
    return (
        f"Lineages were assigned against {names}{cited} with the naive Bayesian classifier @naive_bayes"
        f"{own[settings['method']]}; ranks with less than {settings['min_bootstrap']:g} % bootstrap support were left "
        f"open.{species}"
    )


def selection(config: dict, versions: dict) -> str:
    excluded = config["filter"]["exclude"]
    text = f"ASVs of the lineages {', '.join(excluded)} were removed. " if excluded else ""
    depth = config["rarefy"]["depth"]
    chosen = f"the highest depth that keeps {config['rarefy']['keep']:.0%} of them"
    return text + f"Samples were rarefied to {chosen if depth == 'auto' else f'{depth:,} reads'} without replacement."


def phylogeny(config: dict, versions: dict) -> str:
    if config["input"]["tree"]:
        return "The phylogeny is the study's own."
    settings = config["phylogeny"]
    aligned = f"ASVs were aligned with {ran('MAFFT', versions)} @mafft"
    if settings["method"] == "insertion":
        placer = ran({"epa-ng": "EPA-ng", "raxml": "RAxML"}[settings["placer"]], versions)
        return f"{aligned} to a reference alignment and placed in its tree with {placer} @{settings['placer']}."
    builder = {"fasttree": "FastTree", "iqtree": "IQ-TREE", "veryfasttree": "VeryFastTree"}[settings["builder"]]
    return (
        f"{aligned}; columns whose commonest base is rarer than {settings['min_conservation']:g} were masked. The tree "
        f"was inferred with {ran(builder, versions)} @{settings['builder']} and rooted ({settings['root']})."
    )


def functions(config: dict, versions: dict) -> str:
    method = "table" if config["input"]["ko"] else config["functions"]["method"]
    text = {
        "nearest": f"each ASV took the genes of its nearest reference genomes, found with {ran('vsearch', versions)} "
        "@vsearch (not PICRUSt2)",
        "parsimony": "gene contents were reconstructed by weighted parsimony on the reference tree and handed to each "
        f"ASV at its nearest leaf, found with {ran('vsearch', versions)} @vsearch (not PICRUSt2)",
        "picrust2": f"gene contents were predicted with {ran('PICRUSt2', versions)} @picrust2",
        "table": "gene contents are the study's own table",
        "none": "",
    }[method]
    return f"Functions: {text}; KEGG orthologs @kegg were grouped into 16 channels." if text else ""


def diversity(config: dict, versions: dict) -> str:
    settings = config["diversity"]
    if not settings["enabled"]:
        return ""
    test = {
        "ancombc2": " Differential abundance was tested by ANCOM-BC2 @ancombc2.",
        "ancombc": " Differential abundance was tested by ANCOM-BC @ancombc.",
        "none": "",
    }
    return (
        f"Diversity was computed with {ran('scikit-bio', versions)} @scikit-bio: Faith's phylogenetic diversity "
        "@faith_pd, UniFrac @unifrac, Bray-Curtis and Aitchison @aitchison distances; communities were compared by "
        f"PERMANOVA @permanova with {settings['permutations']} permutations." + test[settings["differential"]]
    )


LAYOUTS = {
    "tsne": "t-SNE @tsne",
    "circular": "a circular phylogram",
    "poincare": "an embedding in the Poincare disc",
    "stereographic": "stereographic projection",
}


def landscape(config: dict, versions: dict) -> str:
    settings, images, layout = config["embedding"], config["images"], config["layout"]
    loss = {
        "relative": "the least relative stress of the path lengths between them",
        "edges": "the lengths of the tree's branches alone",
    }
    optimizer = {"lbfgs": "L-BFGS @lbfgs", "radam": "Riemannian Adam @riemannian_adam of geoopt @geoopt"}
    laid_out = f"laid out by {LAYOUTS[layout['method']]} with"
    if layout["existing"]:
        laid_out = "laid out in the cells of an earlier study (new ones in free cells beside their relatives) with"
    return (
        f"Tips of the tree were embedded in a {settings['dim']}-dimensional Poincare ball @poincare by "
        f"{loss[settings['loss']]}, with {optimizer[settings['optimizer']]}, {laid_out} a grid cell of their own, and "
        f"every sample was drawn as an image of {images['size']} x {images['size']} pixels and 16 channels."
    )


# What the attention model learns without labels, beside nucleotides.
PRETEXT = {
    "unifrac": "unweighted UniFrac @unifrac between samples",
    "weighted": "normalised weighted UniFrac @unifrac between samples",
    "faith_pd": "Faith's phylogenetic diversity @faith_pd of samples",
    "taxonomy": "the clades of ASVs",
    "combined": "unweighted UniFrac @unifrac, Faith's phylogenetic diversity @faith_pd and the clades of ASVs",
}


def predictions(config: dict, versions: dict) -> str:
    if not (config["aam"]["enabled"] and config["metadata"]["targets"]):
        return ""
    groups = config["metadata"]["group"]
    together = f"samples that share {' and '.join(groups)} kept together" if groups else "every sample on its own"
    targets = list(config["metadata"]["targets"])
    named = targets[0] if len(targets) == 1 else f"{', '.join(targets[:-1])} and {targets[-1]}"
    verb = "was" if len(targets) == 1 else "were"
    return (
        f"Of the host variables, {named} {verb} predicted by an attention model @transformer over the ASVs of a "
        "sample, written in PyTorch @pytorch and pretrained to restore masked nucleotides and to predict "
        f"{PRETEXT[config['aam']['unifrac_metric']]}, in {config['metadata']['folds']} folds with {together}, beside "
        "baselines of scikit-learn @scikit-learn, a random forest @random_forest among them, on the same folds."
    )


def phenotype(config: dict, versions: dict) -> str:
    settings, targets = config["phenotype"], regressions(config["metadata"]["targets"])
    if not (settings["enabled"] and targets):
        return ""
    together = " together" if settings["joint"] and len(targets) > 1 else ""
    read = "taxa with their places in the tree, genes and lineages"
    read += " and metadata fields" if settings["fields"] else ""
    return (
        f"Distributions of {', '.join(targets)} were learned{together} by diffusion @ddpm of the variable itself, "
        f"which attends @transformer to the tokens of a sample ({read}, joined by messages over the tree and the graph "
        "of taxa and channels @rgcn), sampled by DDIM @ddim, with the spread calibrated on held-out training groups, "
        "beside a quantile regression forest @quantile_forest on the same folds; they were scored by CRPS @crps."
    )


NETWORKS = {
    "mlp": "a multilayer perceptron",
    "transformer": "a transformer over taxa",
    "unet": "a U-Net over landscapes",
}


def generation(config: dict, versions: dict) -> str:
    settings = config["diffusion"]
    if not settings["enabled"]:
        return ""
    if settings["model"] == "copula":
        return (
            "Communities were generated by a Gaussian copula fitted by its extended rank likelihood @rank_likelihood."
        )
    network = NETWORKS[settings["model"]]
    return (
        "Communities were generated by a diffusion model @ddpm over centred log-ratios (counts "
        f"spread within their intervals by a Gaussian copula @rank_likelihood), {network}, sampled by "
        f"{settings['sampler'].upper()} @{settings['sampler']}, and compared with held-out samples by a classifier "
        "two-sample test @two_sample."
    )


def forecasts(config: dict, versions: dict) -> str:
    settings = config["forecast"]
    if why_not(config):
        return ""
    planned = f" and {', '.join(settings['interventions'])} as planned" if settings["interventions"] else ""
    return (
        f"Later samples of every subject were forecast from its earlier ones{planned}, in "
        f"{config['metadata']['folds']} folds with subjects kept together: a Gaussian process @gaussian_process over "
        "the subject's deviations from the population's course, about which a diffusion model @ddpm conditioned on the "
        "set of earlier samples, sampled by DPM-Solver++ @dpm, draws the scatter; "
        "its intervals were scaled on held-out subjects @conformal."
    )


def workflow(config: dict, versions: dict) -> str:
    return f"All steps ran in one Snakemake workflow @snakemake with seed {config['seed']}."


PARAGRAPHS = [
    reads,
    taxonomy,
    selection,
    phylogeny,
    functions,
    diversity,
    landscape,
    predictions,
    phenotype,
    generation,
    forecasts,
    workflow,
]
