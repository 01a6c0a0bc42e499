# What every rule of the stage reads of the study.
COURSES = {
    "composition": "results/images/composition.npz",
    "design": "results/metadata/design.tsv",
    "encoding": "results/metadata/encoding.json",
    "splits": "results/metadata/splits.tsv",
}


rule train_forecast:
    input:
        **COURSES,
    output:
        model="results/forecast/model.pt",
        history="results/forecast/training.tsv",
        quality="results/forecast/quality.json",
    log:
        "logs/forecast/train_forecast.log",
    benchmark:
        "benchmarks/forecast/train_forecast.tsv"
    conda:
        "../envs/forecast.yaml"
    threads: config["forecast"]["threads"] * config["forecast"]["processes"]
    resources:
        mem_mb=memory(4000),
        gpu=int(config["forecast"]["device"] == "cuda") * config["forecast"]["processes"],
    params:
        config=config["forecast"],
        time=config["metadata"]["time"],
        seed=config["seed"],
        code=code("train_forecast.py"),
    message:
        "Learning to forecast communities, fold by fold"
    script:
        "../scripts/train_forecast.py"


rule forecast_communities:
    input:
        **COURSES,
        model="results/forecast/model.pt",
    output:
        table="results/forecast/forecasts.tsv",
        draws="results/forecast/forecasts.npz",
        counts="results/forecast/forecasts.biom",
        about="results/forecast/draws.tsv",
    log:
        "logs/forecast/forecast_communities.log",
    benchmark:
        "benchmarks/forecast/forecast_communities.tsv"
    conda:
        "../envs/forecast.yaml"
    threads: config["forecast"]["threads"]
    resources:
        mem_mb=memory(4000),
        gpu=int(config["forecast"]["device"] == "cuda"),
    params:
        config=config["forecast"],
        time=config["metadata"]["time"],
        seed=config["seed"],
        code=code("forecast_communities.py"),
    message:
        "Forecasting every subject after its last sample"
    script:
        "../scripts/forecast_communities.py"


rule evaluate_forecasts:
    input:
        **COURSES,
        model="results/forecast/model.pt",
    output:
        metrics="results/forecast/metrics.json",
        taxa="results/forecast/taxa.tsv",
        errors=shown("results/forecast/errors.png", "forecast_errors"),
        coverage=shown("results/forecast/coverage.png", "forecast_coverage"),
    log:
        "logs/forecast/evaluate_forecasts.log",
    benchmark:
        "benchmarks/forecast/evaluate_forecasts.tsv"
    conda:
        "../envs/forecast.yaml"
    threads: config["forecast"]["threads"]
    resources:
        mem_mb=memory(2000, per_mb=8),
        gpu=int(config["forecast"]["device"] == "cuda"),
    params:
        config=config["forecast"],
        time=config["metadata"]["time"],
        seed=config["seed"],
        code=code("evaluate_forecasts.py"),
    message:
        "Comparing forecasts with what was observed, and with the baselines"
    script:
        "../scripts/evaluate_forecasts.py"


rule describe_forecast:
    input:
        model="results/forecast/model.pt",
        quality="results/forecast/quality.json",
        metrics="results/forecast/metrics.json",
    output:
        card="results/forecast/card.md",
    log:
        "logs/forecast/describe_forecast.log",
    benchmark:
        "benchmarks/forecast/describe_forecast.tsv"
    conda:
        "../envs/forecast.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        # The card names settings of several sections.
        config={name: config[name] for name in ("seed", "forecast")},
        code=code("describe_forecast.py"),
    message:
        "Writing the card of the forecasters"
    script:
        "../scripts/describe_forecast.py"


rule compare_interventions:
    input:
        **COURSES,
        model="results/forecast/model.pt",
        channels="results/functions/channels.tsv",
        positions="results/layout/positions.tsv",
        taxonomy="results/taxonomy/taxonomy.tsv",
    output:
        table="results/forecast/what_if.tsv",
        figure=shown("results/forecast/what_if.png", "what_if"),
    log:
        "logs/forecast/compare_interventions.log",
    benchmark:
        "benchmarks/forecast/compare_interventions.tsv"
    conda:
        "../envs/forecast.yaml"
    threads: config["forecast"]["threads"]
    resources:
        mem_mb=memory(4000),
        gpu=int(config["forecast"]["device"] == "cuda"),
    params:
        config=config["forecast"],
        time=config["metadata"]["time"],
        seed=config["seed"],
        code=code("compare_interventions.py"),
    message:
        "Forecasting with and without {params.config[what_if]}"
    script:
        "../scripts/compare_interventions.py"


rule animate_course:
    input:
        **COURSES,
        model="results/forecast/model.pt",
        positions="results/layout/positions.tsv",
        table="results/filter/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
        template=f"{workflow.basedir}/workflow/report/course.html.j2",
    output:
        html=shown("results/forecast/course.html", "course"),
    log:
        "logs/forecast/animate_course.log",
    benchmark:
        "benchmarks/forecast/animate_course.tsv"
    conda:
        "../envs/forecast.yaml"
    threads: config["forecast"]["threads"]
    resources:
        mem_mb=memory(4000),
        gpu=int(config["forecast"]["device"] == "cuda"),
    params:
        config=config["forecast"],
        time=config["metadata"]["time"],
        seed=config["seed"],
        code=code("animate_course.py"),
    message:
        "Drawing the course of a subject, observed and forecast"
    script:
        "../scripts/animate_course.py"
