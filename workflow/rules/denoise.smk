if KIND == "reads":

    rule filter_reads:
        input:
            # Nothing long starts before the reads of every sample have passed their checks.
            checked="results/reads/primers.tsv" if config["reads"]["primers"] else "results/reads/reads.tsv",
            fq1=of_part("fq1", "shard"),
            fq2=of_part("fq2", "shard"),
            trimmed=trimmed,
            truncation="results/reads/truncation.json",
        output:
            reads=temp(directory("results/denoise/filtered/{run}/{shard}")),
            counts=temp("results/denoise/counts/{run}/{shard}.tsv"),
        log:
            "logs/denoise/filter_reads/{run}/{shard}.log",
        benchmark:
            "benchmarks/denoise/filter_reads/{run}/{shard}.tsv"
        conda:
            "../envs/denoise.yaml"
        threads: 1
        resources:
            mem_mb=memory(3000),
        params:
            config=config["denoise"],
            samples=of_part("sample", "shard"),
            code=code("filter_reads.py"),
        message:
            "Filtering the reads of run {wildcards.run}, shard {wildcards.shard}"
        script:
            "../scripts/filter_reads.py"

    rule learn_errors:
        input:
            scores="results/reads/qualities.tsv",
            reads=shards_of("results/denoise/filtered/{run}/{shard}"),
        output:
            errors="results/denoise/errors/{model}/{direction}.tsv",
        log:
            "logs/denoise/learn_errors/{model}/{direction}.log",
        benchmark:
            "benchmarks/denoise/learn_errors/{model}/{direction}.tsv"
        conda:
            "../envs/denoise.yaml"
        threads: shared_threads(len(MODELS) * len(DIRECTIONS))
        resources:
            mem_mb=memory(8000),
        params:
            config=config["denoise"],
            runs=lambda wildcards: SHEET.loc[SHEET["model"] == wildcards.model, "run"].unique().tolist(),
            seed=config["seed"],
            code=code("learn_errors.py"),
        message:
            "Learning the errors of run {wildcards.model}, {wildcards.direction}"
        script:
            "../scripts/learn_errors.py"

    rule draw_errors:
        input:
            errors="results/denoise/errors/{model}/{direction}.tsv",
        output:
            figure=shown(
                "results/denoise/errors/{model}/{direction}.png", "error_model", run="{model}", reads="{direction}"
            ),
        log:
            "logs/denoise/draw_errors/{model}/{direction}.log",
        benchmark:
            "benchmarks/denoise/draw_errors/{model}/{direction}.tsv"
        conda:
            "../envs/denoise.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            config=config["denoise"],
            code=code("draw_errors.py"),
        message:
            "Drawing the errors of run {wildcards.model}, {wildcards.direction}"
        script:
            "../scripts/draw_errors.py"

    if POOL == "pseudo":

        rule find_shared:
            input:
                reads="results/denoise/filtered/{model}/{batch}",
                counts="results/denoise/counts/{model}/{batch}.tsv",
                errors=[f"results/denoise/errors/{{model}}/{direction}.tsv" for direction in DIRECTIONS],
                priors=config["denoise"]["priors"] or [],
            output:
                found=temp("results/denoise/found/{model}/{batch}.tsv.gz"),
                observed=temp("results/denoise/observed/{model}/{batch}.tsv"),
            log:
                "logs/denoise/find_shared/{model}/{batch}.log",
            benchmark:
                "benchmarks/denoise/find_shared/{model}/{batch}.tsv"
            conda:
                "../envs/denoise.yaml"
            threads: shared_threads(len(parts("batch", "model")))
            resources:
                mem_mb=memory(4000),
            params:
                config=config["denoise"],
                seed=config["seed"],
                code=code("find_shared.py"),
            message:
                "Denoising run {wildcards.model}, batch {wildcards.batch} for the first time"
            script:
                "../scripts/find_shared.py"

        rule share_priors:
            input:
                counts=shards_of("results/denoise/counts/{run}/{shard}.tsv"),
                found=shards_of("results/denoise/found/{run}/{shard}.tsv.gz"),
                observed=shards_of("results/denoise/observed/{run}/{shard}.tsv"),
                errors=[f"results/denoise/errors/{{model}}/{direction}.tsv" for direction in DIRECTIONS],
            output:
                priors="results/denoise/shared/{model}.tsv",
                errors=[f"results/denoise/shared/{{model}}/{direction}.tsv" for direction in DIRECTIONS],
            log:
                "logs/denoise/share_priors/{model}.log",
            benchmark:
                "benchmarks/denoise/share_priors/{model}.tsv"
            conda:
                "../envs/denoise.yaml"
            threads: 1
            resources:
                mem_mb=memory(4000),
            params:
                config=config["denoise"],
                code=code("share_priors.py"),
            message:
                "Sharing what the samples of run {wildcards.model} have in common"
            script:
                "../scripts/share_priors.py"

    rule denoise_reads:
        input:
            reads=shards_of("results/denoise/filtered/{run}/{shard}"),
            counts=shards_of("results/denoise/counts/{run}/{shard}.tsv"),
            errors=[
                f"results/denoise/{'shared' if POOL == 'pseudo' else 'errors'}/{{model}}/{direction}.tsv"
                for direction in DIRECTIONS
            ],
            shared="results/denoise/shared/{model}.tsv" if POOL == "pseudo" else [],
            priors=config["denoise"]["priors"] or [],
        output:
            merged=temp("results/denoise/merged/{model}/{batch}.tsv.gz"),
            steps=temp("results/denoise/steps/{model}/{batch}.tsv"),
        log:
            "logs/denoise/denoise_reads/{model}/{batch}.log",
        benchmark:
            "benchmarks/denoise/denoise_reads/{model}/{batch}.tsv"
        conda:
            "../envs/denoise.yaml"
        threads: shared_threads(len(parts("batch", "model")))
        resources:
            mem_mb=memory(4000),
        params:
            config=config["denoise"],
            seed=config["seed"],
            code=code("denoise_reads.py"),
        message:
            "Denoising run {wildcards.model}, batch {wildcards.batch}"
        script:
            "../scripts/denoise_reads.py"

    rule merge_tables:
        input:
            counts=every_part("results/denoise/counts/{run}/{shard}.tsv", "shard"),
            steps=every_part("results/denoise/steps/{model}/{batch}.tsv", "batch", "model"),
            merged=every_part("results/denoise/merged/{model}/{batch}.tsv.gz", "batch", "model"),
            errors=expand("results/denoise/errors/{model}/{direction}.tsv", model=MODELS, direction=DIRECTIONS),
            truncation="results/reads/truncation.json",
            reference=config["denoise"]["strand_reference"] or [],
        output:
            table="results/denoise/table.biom",
            sequences="results/denoise/asvs.fasta",
            track="results/denoise/track.tsv",
            strands="results/denoise/strands.tsv",
            versions="results/denoise/versions.json",
        log:
            "logs/denoise/merge_tables.log",
        benchmark:
            "benchmarks/denoise/merge_tables.tsv"
        conda:
            "../envs/denoise.yaml"
        threads: 4
        resources:
            mem_mb=memory(4000),
        params:
            config=config["denoise"],
            samples=SHEET["sample"].tolist(),
            models=[model for model, batch in parts("batch", "model")],
            fitted=[f"{model} {direction}" for model in MODELS for direction in DIRECTIONS],
            paired=PAIRED,
            seed=config["seed"],
            code=code("merge_tables.py"),
        message:
            "Merging the tables of all runs and removing chimeras"
        script:
            "../scripts/merge_tables.py"

else:

    rule import_table:
        input:
            table=config["input"]["table"],
            sequences=config["input"]["sequences"] or [],
        output:
            table="results/denoise/table.biom",
            sequences="results/denoise/asvs.fasta",
            track="results/denoise/track.tsv",
        log:
            "logs/denoise/import_table.log",
        benchmark:
            "benchmarks/denoise/import_table.tsv"
        conda:
            "../envs/denoise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
        params:
            code=code("import_table.py"),
        message:
            "Taking over the table {input.table}"
        script:
            "../scripts/import_table.py"
