# Draws beside the one that the workflow uses, which is the first.
REPEATS = range(2, config["rarefy"]["repeats"] + 1)

if KIND == "reads":

    # Denoising can only lose reads: a depth that no sample reaches before it would stop the run after hours of it.
    # The priority runs this check first; denoising does not wait for it by file, or another depth would denoise anew.
    rule check_depth:
        input:
            reads="results/reads/reads.tsv",
        output:
            reachable="results/rarefy/reachable.tsv",
        log:
            "logs/rarefy/check_depth.log",
        benchmark:
            "benchmarks/rarefy/check_depth.tsv"
        priority: 100
        conda:
            "../envs/rarefy.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
        params:
            config=config["rarefy"],
            code=code("check_depth.py"),
        message:
            "Checking that samples can reach the depth ({params.config[depth]})"
        script:
            "../scripts/check_depth.py"


rule rarefy_table:
    input:
        table="results/filter/table.biom",
        track="results/filter/track.tsv",
        reachable="results/rarefy/reachable.tsv" if KIND == "reads" else [],
    output:
        table="results/rarefy/table.biom",
        dropped="results/rarefy/dropped.tsv",
        depth="results/rarefy/depth.json",
        depths="results/rarefy/depths.tsv",
    log:
        "logs/rarefy/rarefy_table.log",
    benchmark:
        "benchmarks/rarefy/rarefy_table.tsv"
    conda:
        "../envs/rarefy.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["rarefy"],
        seed=config["seed"],
        code=code("rarefy_table.py"),
    message:
        "Rarefying every sample to the same depth ({params.config[depth]})"
    script:
        "../scripts/rarefy_table.py"


rule draw_depths:
    input:
        depth="results/rarefy/depth.json",
        depths="results/rarefy/depths.tsv",
    output:
        figure=shown("results/rarefy/depths.png", "depths"),
    log:
        "logs/rarefy/draw_depths.log",
    benchmark:
        "benchmarks/rarefy/draw_depths.tsv"
    conda:
        "../envs/rarefy.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        code=code("draw_depths.py"),
    message:
        "Drawing what every depth would keep"
    script:
        "../scripts/draw_depths.py"


if REPEATS:

    rule repeat_rarefaction:
        input:
            table="results/filter/table.biom",
            depth="results/rarefy/depth.json",
            first="results/rarefy/table.biom",
        output:
            tables=expand("results/rarefy/repeats/{repeat}.biom", repeat=REPEATS),
            compared="results/rarefy/repeats.tsv",
        log:
            "logs/rarefy/repeat_rarefaction.log",
        benchmark:
            "benchmarks/rarefy/repeat_rarefaction.tsv"
        conda:
            "../envs/rarefy.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["rarefy"],
            seed=config["seed"],
            code=code("repeat_rarefaction.py"),
        message:
            "Rarefying {params.config[repeats]} times to see how much one draw decides"
        script:
            "../scripts/repeat_rarefaction.py"
