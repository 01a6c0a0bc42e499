"""Section about generated communities, next to resampling and a copula."""

from taxoscape.evaluation.verdict import FEWEST
from taxoscape.report.cells import count, interval
from taxoscape.report.compared import metrics_table, models_table, size, verdict
from taxoscape.report.parts import Check, Section, stored
from taxoscape.scoring.results import Results, read_results

PLOTS = ["generation", "generation_taxa", "landscapes"]
COPIED = 0.25  # on the scale of copying, from 0 (a fresh draw) to 1 (a copier)


def generation(files: dict, config: dict) -> Section:
    """Generated communities next to resampling and a copula: distinguished, copied, and of what use."""
    results = read_results(files["generation"])
    main, *learned = results.comparisons
    made, trained = results.details["n_generated"], results.details["n_training"]
    section = Section(
        "diffusion",
        "Generated communities",
        f"{count(made, 'community', 'communities')} were generated for the conditions of held-out samples and compared "
        f"with {main.n} of these. An area under the curve of 0.5 means that a classifier cannot distinguish them.",
        [
            ("Learned from", f"{count(trained, 'training sample')}."),
            ("Judged by", f"{size(main, {})}, all held out."),
        ],
        _checks(results),
        [verdict(results, "diffusion", "Generated communities")],
    )
    section.tables = [metrics_table(main, "Generators compared with held-out samples, with 95 % intervals")]
    section.tables += [
        models_table(
            part,
            f"{part.name} (a random forest, on {size(part, {})}, held out). Generated samples that carry what it does "
            "to communities teach as much as the training samples do",
            True,
        )
        for part in learned
    ]
    whole, taxa, landscapes = map(stored, files["generation_plots"], PLOTS)
    section.figures, section.folded = [whole, landscapes], [taxa]
    return section


def _checks(results: Results) -> list[Check]:
    main = results.main
    figures = main.models[main.judged]
    checks = [Check("Held-out samples to judge by", f"{main.n}", f"at least {FEWEST}", main.n >= FEWEST)]
    for key, what, most in (
        ("two_sample_auc", "Distinguished from real samples (AUC)", 0.5),
        ("copying", "Copying of training samples", COPIED),
    ):
        if key in figures:
            threshold = f"its interval reaches {most:g}"
            checks.append(Check(what, interval(figures[key]), threshold, figures[key]["low"] <= most))
    return checks
