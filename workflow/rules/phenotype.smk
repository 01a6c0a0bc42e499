# Targets that one model learns: each its own, or all numbers together.
LEARNED = {"joint": PHENOTYPES} if config["phenotype"]["joint"] else {name: [name] for name in PHENOTYPES}

if PHENOTYPES:

    rule train_phenotype:
        input:
            table="results/filter/table.biom",
            rarefied="results/rarefy/table.biom",
            tree="results/phylogeny/tree.nwk",
            embedding="results/embedding/poincare.npz",
            channels="results/functions/channels.tsv",
            taxonomy="results/taxonomy/taxonomy.tsv",
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
            splits="results/metadata/splits.tsv",
        output:
            model="results/phenotype/{learned}/fold{fold}/model.pt",
            history="results/phenotype/{learned}/fold{fold}/metrics.jsonl",
        log:
            "logs/phenotype/train_phenotype/{learned}/fold{fold}.log",
        benchmark:
            "benchmarks/phenotype/train_phenotype/{learned}/fold{fold}.tsv"
        conda:
            "../envs/phenotype.yaml"
        threads: config["phenotype"]["threads"] * config["phenotype"]["processes"]
        resources:
            mem_mb=memory(3000),
            gpu=int(config["phenotype"]["device"] == "cuda") * config["phenotype"]["processes"],
        params:
            config=config["phenotype"],
            seed=config["seed"],
            targets=lambda wildcards: LEARNED[wildcards.learned],
            code=code("train_phenotype.py"),
        message:
            "Learning the distribution of {wildcards.learned} on the training samples of fold {wildcards.fold}"
        script:
            "../scripts/train_phenotype.py"

    rule evaluate_phenotype:
        input:
            models=expand(
                "results/phenotype/{learned}/fold{fold}/model.pt",
                learned="joint" if config["phenotype"]["joint"] else "{target}",
                fold=FOLDS,
            ),
            table="results/filter/table.biom",
            rarefied="results/rarefy/table.biom",
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
            splits="results/metadata/splits.tsv",
        output:
            predictions="results/phenotype/{target}/predictions.tsv",
            baselines="results/phenotype/{target}/baselines.tsv",
            metrics="results/phenotype/{target}/metrics.json",
            calibration=shown("results/phenotype/{target}/calibration.png", "calibration", target="{target}"),
            scatter=shown("results/phenotype/{target}/predictions.png", "distributions", target="{target}"),
        log:
            "logs/phenotype/evaluate_phenotype/{target}.log",
        benchmark:
            "benchmarks/phenotype/evaluate_phenotype/{target}.tsv"
        conda:
            "../envs/phenotype.yaml"
        threads: config["phenotype"]["threads"]
        resources:
            mem_mb=memory(3000),
            gpu=int(config["phenotype"]["device"] == "cuda"),
        params:
            config=config["phenotype"],
            seed=config["seed"],
            targets=lambda wildcards: LEARNED["joint" if config["phenotype"]["joint"] else wildcards.target],
            code=code("evaluate_phenotype.py"),
        message:
            "Comparing the distributions of {wildcards.target} with the baselines"
        script:
            "../scripts/evaluate_phenotype.py"

    rule describe_phenotype:
        input:
            metrics="results/phenotype/{target}/metrics.json",
            models=expand(
                "results/phenotype/{learned}/fold{fold}/model.pt",
                learned="joint" if config["phenotype"]["joint"] else "{target}",
                fold=FOLDS,
            ),
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
        output:
            card="results/phenotype/{target}/card.md",
        log:
            "logs/phenotype/describe_phenotype/{target}.log",
        benchmark:
            "benchmarks/phenotype/describe_phenotype/{target}.tsv"
        conda:
            "../envs/phenotype.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            # The card names settings of several sections.
            config={name: config[name] for name in ("seed", "metadata", "rarefy")},
            code=code("describe_phenotype.py"),
        message:
            "Writing the card of the phenotype models of {wildcards.target}"
        script:
            "../scripts/describe_phenotype.py"
