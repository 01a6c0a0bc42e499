# What pretraining may predict that needs lineages.
CLADES = ("taxonomy", "combined")

# Keys that only fine-tuning and what follows it read.
LATER = (
    "enabled",
    "epochs",
    "members",
    "freeze_base",
    "count_weight",
    "quantiles",
    "best_metric",
    "class_weights",
    "prediction_draws",
    "interval",
    "explained_samples",
    "trees",
    "bootstraps",
)

if TARGETS:

    rule pretrain_encoder:
        input:
            table="results/filter/table.biom",
            sequences="results/filter/asvs.fasta",
            tree="results/phylogeny/tree.nwk",
            rarefied="results/rarefy/table.biom",
            taxonomy="results/taxonomy/taxonomy.tsv" if config["aam"]["unifrac_metric"] in CLADES else [],
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
            splits="results/metadata/splits.tsv",
            encoder=config["aam"]["encoder"] or [],
        output:
            model="results/aam/pretrain/fold{fold}/model.pt",
            embeddings="results/aam/pretrain/fold{fold}/embeddings.npz",
            quality="results/aam/pretrain/fold{fold}/quality.json",
            history="results/aam/pretrain/fold{fold}/metrics.jsonl",
        log:
            "logs/aam/pretrain_encoder/fold{fold}.log",
        benchmark:
            "benchmarks/aam/pretrain_encoder/fold{fold}.tsv"
        conda:
            "../envs/aam.yaml"
        threads: config["aam"]["threads"] * config["aam"]["processes"]
        resources:
            mem_mb=memory(3000, per_mb=60),
            gpu=int(config["aam"]["device"] == "cuda") * config["aam"]["processes"],
        params:
            config=without("aam", *LATER),
            seed=config["seed"],
            code=code("pretrain_encoder.py"),
        message:
            "Pretraining on the training samples of fold {wildcards.fold}"
        script:
            "../scripts/pretrain_encoder.py"

    rule train_predictor:
        input:
            encoder="results/aam/pretrain/fold{fold}/model.pt",
            table="results/filter/table.biom",
            sequences="results/filter/asvs.fasta",
            tree="results/phylogeny/tree.nwk",
            rarefied="results/rarefy/table.biom",
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
            splits="results/metadata/splits.tsv",
        output:
            model="results/aam/{target}/fold{fold}/model.pt",
            predictions="results/aam/{target}/fold{fold}/predictions.tsv",
            history="results/aam/{target}/fold{fold}/metrics.jsonl",
        log:
            "logs/aam/train_predictor/{target}/fold{fold}.log",
        benchmark:
            "benchmarks/aam/train_predictor/{target}/fold{fold}.tsv"
        conda:
            "../envs/aam.yaml"
        threads: config["aam"]["threads"] * config["aam"]["processes"]
        resources:
            mem_mb=memory(4000),
            gpu=int(config["aam"]["device"] == "cuda") * config["aam"]["processes"],
        params:
            config=config["aam"],
            seed=config["seed"],
            code=code("train_predictor.py"),
        message:
            "Learning {wildcards.target} on the training samples of fold {wildcards.fold}"
        script:
            "../scripts/train_predictor.py"

    rule evaluate_predictions:
        input:
            predictions=expand("results/aam/{{target}}/fold{fold}/predictions.tsv", fold=FOLDS),
            embeddings=expand("results/aam/pretrain/fold{fold}/embeddings.npz", fold=FOLDS),
            table="results/filter/table.biom",
            rarefied="results/rarefy/table.biom",
            distances="results/unifrac/distances.npy",
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
            splits="results/metadata/splits.tsv",
        output:
            predictions="results/aam/{target}/predictions.tsv",
            baselines="results/aam/{target}/baselines.tsv",
            metrics="results/aam/{target}/metrics.json",
            figure=shown("results/aam/{target}/predictions.png", "predictions", target="{target}"),
        log:
            "logs/aam/evaluate_predictions/{target}.log",
        benchmark:
            "benchmarks/aam/evaluate_predictions/{target}.tsv"
        conda:
            "../envs/aam.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000, per_mb=3),
        params:
            config=config["aam"],
            seed=config["seed"],
            code=code("evaluate_predictions.py"),
        message:
            "Comparing the predictions of {wildcards.target} with the baselines"
        script:
            "../scripts/evaluate_predictions.py"

    rule explain_predictions:
        input:
            models=expand("results/aam/{{target}}/fold{fold}/model.pt", fold=FOLDS),
            table="results/filter/table.biom",
            sequences="results/filter/asvs.fasta",
            tree="results/phylogeny/tree.nwk",
            rarefied="results/rarefy/table.biom",
            taxonomy="results/taxonomy/taxonomy.tsv",
            positions="results/layout/positions.tsv",
            encoding="results/metadata/encoding.json",
        output:
            table="results/aam/{target}/attribution.tsv",
            figure=shown("results/aam/{target}/attribution.png", "attribution", target="{target}"),
        log:
            "logs/aam/explain_predictions/{target}.log",
        benchmark:
            "benchmarks/aam/explain_predictions/{target}.tsv"
        conda:
            "../envs/aam.yaml"
        threads: config["aam"]["threads"]
        resources:
            mem_mb=memory(4000),
            gpu=int(config["aam"]["device"] == "cuda"),
        params:
            config=config["aam"],
            seed=config["seed"],
            code=code("explain_predictions.py"),
        message:
            "Hiding ASVs to see what the predictions of {wildcards.target} rest on"
        script:
            "../scripts/explain_predictions.py"

    rule describe_predictor:
        input:
            metrics="results/aam/{target}/metrics.json",
            models=expand("results/aam/{{target}}/fold{fold}/model.pt", fold=FOLDS),
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
        output:
            card="results/aam/{target}/card.md",
        log:
            "logs/aam/describe_predictor/{target}.log",
        benchmark:
            "benchmarks/aam/describe_predictor/{target}.tsv"
        conda:
            "../envs/aam.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            # The card names settings of several sections.
            config={name: config[name] for name in ("seed", "metadata", "rarefy")},
            code=code("describe_predictor.py"),
        message:
            "Writing the card of the models of {wildcards.target}"
        script:
            "../scripts/describe_predictor.py"
