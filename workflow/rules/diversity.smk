# What rule all asks of this stage.
DIVERSITY = ["curves.tsv", "curves.png", "alpha.tsv", "alpha_tests.tsv", "alpha.png", "permanova.tsv", "ordination.png"]
DIVERSITY += ["differential.tsv", "differential.png"] if config["diversity"]["differential"] != "none" else []
DIVERSITY = expand("results/diversity/{name}", name=DIVERSITY) if config["diversity"]["enabled"] else []


rule draw_curves:
    input:
        table="results/filter/table.biom",
        rarefied="results/rarefy/table.biom",
        dropped="results/rarefy/dropped.tsv",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
    output:
        curves="results/diversity/curves.tsv",
        figure=shown("results/diversity/curves.png", "curves"),
    log:
        "logs/diversity/draw_curves.log",
    benchmark:
        "benchmarks/diversity/draw_curves.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
    params:
        config=config["diversity"],
        code=code("draw_curves.py"),
    message:
        "Drawing the rarefaction curve of every sample"
    script:
        "../scripts/draw_curves.py"


rule measure_alpha:
    input:
        table="results/rarefy/table.biom",
        tree="results/phylogeny/tree.nwk",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
    output:
        alpha="results/diversity/alpha.tsv",
        tests="results/diversity/alpha_tests.tsv",
        figure=shown("results/diversity/alpha.png", "alpha"),
    log:
        "logs/diversity/measure_alpha.log",
    benchmark:
        "benchmarks/diversity/measure_alpha.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
    params:
        config=config["diversity"],
        seed=config["seed"],
        code=code("measure_alpha.py"),
    message:
        "Measuring the diversity within samples"
    script:
        "../scripts/measure_alpha.py"


rule compare_samples:
    input:
        table="results/rarefy/table.biom",
        tree="results/phylogeny/tree.nwk",
    output:
        distances="results/diversity/beta/{metric}.npz",
        table="results/diversity/beta/{metric}.tsv.gz",
    log:
        "logs/diversity/compare_samples_{metric}.log",
    benchmark:
        "benchmarks/diversity/compare_samples_{metric}.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
    params:
        config=config["diversity"],
        code=code("compare_samples.py"),
    message:
        "Comparing all samples by {wildcards.metric}"
    script:
        "../scripts/compare_samples.py"


rule ordinate_samples:
    input:
        distances="results/diversity/beta/{metric}.npz",
    output:
        places="results/diversity/ordination/{metric}.tsv",
        explained="results/diversity/ordination/{metric}_explained.tsv",
    log:
        "logs/diversity/ordinate_samples_{metric}.log",
    benchmark:
        "benchmarks/diversity/ordinate_samples_{metric}.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
    params:
        config=config["diversity"],
        seed=config["seed"],
        code=code("ordinate_samples.py"),
    message:
        "Finding the principal coordinates of {wildcards.metric}"
    script:
        "../scripts/ordinate_samples.py"


rule run_permanova:
    input:
        distances=expand("results/diversity/beta/{metric}.npz", metric=config["diversity"]["metrics"]),
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
    output:
        tests="results/diversity/permanova.tsv",
    log:
        "logs/diversity/run_permanova.log",
    benchmark:
        "benchmarks/diversity/run_permanova.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
    params:
        config=config["diversity"],
        seed=config["seed"],
        code=code("run_permanova.py"),
    message:
        "Testing the metadata fields by PERMANOVA and PERMDISP"
    script:
        "../scripts/run_permanova.py"


rule draw_ordination:
    input:
        distances=expand("results/diversity/beta/{metric}.npz", metric=config["diversity"]["metrics"]),
        places=expand("results/diversity/ordination/{metric}.tsv", metric=config["diversity"]["metrics"]),
        explained=expand("results/diversity/ordination/{metric}_explained.tsv", metric=config["diversity"]["metrics"]),
        tests="results/diversity/permanova.tsv",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
    output:
        figure=shown("results/diversity/ordination.png", "ordination"),
    log:
        "logs/diversity/draw_ordination.log",
    benchmark:
        "benchmarks/diversity/draw_ordination.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["diversity"],
        code=code("draw_ordination.py"),
    message:
        "Drawing the principal coordinates by the metadata fields"
    script:
        "../scripts/draw_ordination.py"


rule find_taxa:
    input:
        table="results/rarefy/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
    output:
        effects="results/diversity/differential.tsv",
        fields="results/diversity/differential_fields.tsv",
        figure=shown("results/diversity/differential.png", "differential"),
    log:
        "logs/diversity/find_taxa.log",
    benchmark:
        "benchmarks/diversity/find_taxa.tsv"
    conda:
        "../envs/diversity.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["diversity"],
        seed=config["seed"],
        code=code("find_taxa.py"),
    message:
        "Testing the taxa by {params.config[differential]} at rank {params.config[rank]}"
    script:
        "../scripts/find_taxa.py"
