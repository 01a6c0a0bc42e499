rule compute_unifrac:
    input:
        table="results/rarefy/table.biom",
        tree="results/phylogeny/tree.nwk",
    output:
        distances="results/unifrac/distances.npy",
        samples="results/unifrac/samples.txt",
        faith_pd="results/unifrac/faith_pd.tsv",
    log:
        "logs/unifrac/compute_unifrac.log",
    benchmark:
        "benchmarks/unifrac/compute_unifrac.tsv"
    conda:
        "../envs/unifrac.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
    params:
        config=config["unifrac"],
        code=code("compute_unifrac.py"),
    message:
        "Computing {params.config[metric]} UniFrac between all samples"
    script:
        "../scripts/compute_unifrac.py"
