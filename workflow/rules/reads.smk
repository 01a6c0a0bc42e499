if KIND == "reads":

    rule check_reads:
        input:
            fq1=of_part("fq1", "shard"),
            fq2=of_part("fq2", "shard"),
            primers=f"{workflow.basedir}/resources/primers.tsv",
        output:
            reads=temp("results/reads/shards/{run}/{shard}.tsv"),
            quality=temp("results/reads/shards/{run}/{shard}.npz"),
            sampled=temp("results/reads/sampled/{run}/{shard}.npz"),
            content=temp("results/reads/content/{run}/{shard}.json"),
        log:
            "logs/reads/check_reads/{run}/{shard}.log",
        benchmark:
            "benchmarks/reads/check_reads/{run}/{shard}.tsv"
        conda:
            "../envs/reads.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            config=config["reads"],
            samples=of_part("sample", "shard"),
            code=code("check_reads.py"),
        message:
            "Checking the reads of run {wildcards.run}, shard {wildcards.shard}"
        script:
            "../scripts/check_reads.py"

    rule gather_reads:
        input:
            reads=every_part("results/reads/shards/{run}/{shard}.tsv", "shard"),
            quality=every_part("results/reads/shards/{run}/{shard}.npz", "shard"),
            known=f"{workflow.basedir}/resources/primers.tsv",
        output:
            reads="results/reads/reads.tsv",
            quality="results/reads/quality.tsv",
            scores="results/reads/qualities.tsv",
            primers="results/reads/primers.json",
        log:
            "logs/reads/gather_reads.log",
        benchmark:
            "benchmarks/reads/gather_reads.tsv"
        conda:
            "../envs/reads.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            config=config["reads"],
            samples=SHEET["sample"].tolist(),
            runs=[run for run, shard in parts("shard")],
            code=code("gather_reads.py"),
        message:
            "Gathering the checks of all reads"
        script:
            "../scripts/gather_reads.py"

    if config["reads"]["primers"]:

        rule trim_primers:
            input:
                primers="results/reads/primers.json",
                fq1=of_part("fq1", "shard"),
                fq2=of_part("fq2", "shard"),
            output:
                reads=temp(directory("results/reads/trimmed/{run}/{shard}")),
                counts=temp("results/reads/primers/{run}/{shard}.tsv"),
                sampled=temp("results/reads/primers/{run}/{shard}.npz"),
            log:
                "logs/reads/trim_primers/{run}/{shard}.log",
            benchmark:
                "benchmarks/reads/trim_primers/{run}/{shard}.tsv"
            conda:
                "../envs/reads.yaml"
            threads: 2
            resources:
                mem_mb=memory(1000),
            params:
                config=config["reads"],
                samples=of_part("sample", "shard"),
                code=code("trim_primers.py"),
            message:
                "Cutting primers from the reads of run {wildcards.run}, shard {wildcards.shard}"
            script:
                "../scripts/trim_primers.py"

        rule gather_primers:
            input:
                primers="results/reads/primers.json",
                counts=every_part("results/reads/primers/{run}/{shard}.tsv", "shard"),
            output:
                counts="results/reads/primers.tsv",
                versions="results/reads/versions.json",
            log:
                "logs/reads/gather_primers.log",
            benchmark:
                "benchmarks/reads/gather_primers.tsv"
            conda:
                "../envs/reads.yaml"
            threads: 1
            resources:
                mem_mb=memory(1000),
            params:
                config=config["reads"],
                samples=SHEET["sample"].tolist(),
                code=code("gather_primers.py"),
            message:
                "Gathering how many reads had their primers"
            script:
                "../scripts/gather_primers.py"

    # Kept, unlike the samples of its shards: other denoise settings need no second look at all reads.
    rule sample_reads:
        input:
            # The reads that are filtered: as they came, or after their primers were cut.
            shards=shards_of_run(
                f"results/reads/{'primers' if config['reads']['primers'] else 'sampled'}/{{run}}/{{shard}}.npz"
            ),
        output:
            sampled="results/reads/sampled/{run}.npz",
        log:
            "logs/reads/sample_reads/{run}.log",
        benchmark:
            "benchmarks/reads/sample_reads/{run}.tsv"
        conda:
            "../envs/reads.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["reads"],
            code=code("sample_reads.py"),
        message:
            "Gathering some reads of run {wildcards.run}"
        script:
            "../scripts/sample_reads.py"

    rule suggest_truncation:
        input:
            sampled=[f"results/reads/sampled/{run}.npz" for run in SHEET["run"].unique()],
        output:
            truncation="results/reads/truncation.json",
            figure=shown("results/reads/quality.png", "quality"),
        log:
            "logs/reads/suggest_truncation.log",
        benchmark:
            "benchmarks/reads/suggest_truncation.tsv"
        conda:
            "../envs/reads.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["denoise"],
            runs=SHEET["run"].unique().tolist(),
            code=code("suggest_truncation.py"),
        message:
            "Looking where reads are best truncated"
        script:
            "../scripts/suggest_truncation.py"

    rule describe_reads:
        input:
            reads="results/reads/reads.tsv",
            contents=every_part("results/reads/content/{run}/{shard}.json", "shard"),
            template=f"{workflow.basedir}/workflow/report/reads.html.j2",
        output:
            page=shown("results/reads/reads.html", "reads_page"),
            content="results/reads/content.tsv",
        log:
            "logs/reads/describe_reads.log",
        benchmark:
            "benchmarks/reads/describe_reads.tsv"
        conda:
            "../envs/reads.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["reads"],
            code=code("describe_reads.py"),
        message:
            "Describing the reads as they came"
        script:
            "../scripts/describe_reads.py"
