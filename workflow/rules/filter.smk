rule filter_asvs:
    input:
        table="results/denoise/table.biom",
        sequences="results/denoise/asvs.fasta",
        track="results/denoise/track.tsv",
        taxonomy="results/taxonomy/taxonomy.tsv",
    output:
        table="results/filter/table.biom",
        sequences="results/filter/asvs.fasta",
        track="results/filter/track.tsv",
        removed="results/filter/removed.tsv",
        summary="results/filter/summary.tsv",
    log:
        "logs/filter/filter_asvs.log",
    benchmark:
        "benchmarks/filter/filter_asvs.tsv"
    conda:
        "../envs/filter.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["filter"],
        code=code("filter_asvs.py"),
    message:
        "Filtering the ASVs by length, abundance and lineage"
    script:
        "../scripts/filter_asvs.py"
