# A shard compares its samples with all that follow; together they compare all with all.
rule compute_unifrac:
    input:
        table="results/rarefy/table.biom",
        tree="results/phylogeny/tree.nwk",
    output:
        distances=temp("results/unifrac/shards/{shard}.npy"),
    log:
        "logs/unifrac/compute_unifrac/{shard}.log",
    benchmark:
        "benchmarks/unifrac/compute_unifrac/{shard}.tsv"
    conda:
        "../envs/unifrac.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000, per_mb=200),
    params:
        config=config["unifrac"],
        code=code("compute_unifrac.py"),
    message:
        "Computing {params.config[metric]} UniFrac between all samples (shard {wildcards.shard})"
    script:
        "../scripts/compute_unifrac.py"


rule merge_unifrac:
    input:
        shards=expand("results/unifrac/shards/{shard}.npy", shard=range(config["unifrac"]["shards"])),
        table="results/rarefy/table.biom",
        tree="results/phylogeny/tree.nwk",
    output:
        distances="results/unifrac/distances.npy",
        samples="results/unifrac/samples.txt",
        faith_pd="results/unifrac/faith_pd.tsv",
    log:
        "logs/unifrac/merge_unifrac.log",
    benchmark:
        "benchmarks/unifrac/merge_unifrac.tsv"
    conda:
        "../envs/unifrac.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, per_mb=2),
    params:
        code=code("merge_unifrac.py"),
    message:
        "Joining the distances between all samples"
    script:
        "../scripts/merge_unifrac.py"
