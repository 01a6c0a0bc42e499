rule select_taxa:
    input:
        table="results/rarefy/table.biom",
        splits="results/metadata/splits.tsv",
        tree="results/phylogeny/tree.nwk",
    output:
        taxa="results/layout/taxa.tsv",
    log:
        "logs/layout/select_taxa.log",
    benchmark:
        "benchmarks/layout/select_taxa.tsv"
    conda:
        "../envs/layout.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["layout"],
        code=code("select_taxa.py"),
    message:
        "Selecting the taxa in {params.config[prevalence]} or more of the training samples"
    script:
        "../scripts/select_taxa.py"


rule lay_out_taxa:
    input:
        taxa="results/layout/taxa.tsv",
        embedding="results/embedding/poincare.npz",
        tree="results/phylogeny/tree.nwk",
        taxonomy="results/taxonomy/taxonomy.tsv",
        existing=config["layout"]["existing"] or [],
    output:
        positions="results/layout/positions.tsv",
        quality="results/layout/quality.json",
    log:
        "logs/layout/lay_out_taxa.log",
    benchmark:
        "benchmarks/layout/lay_out_taxa.tsv"
    conda:
        "../envs/layout.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
    params:
        config=config["layout"],
        seed=config["seed"],
        code=code("lay_out_taxa.py"),
    message:
        "Giving every taxon a cell of its own"
    script:
        "../scripts/lay_out_taxa.py"
