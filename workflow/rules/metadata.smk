rule prepare_metadata:
    input:
        metadata=config["metadata"]["file"],
        table="results/rarefy/table.biom",
    output:
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
        excluded="results/metadata/excluded.tsv",
        quality="results/metadata/quality.json",
    log:
        "logs/metadata/prepare_metadata.log",
    benchmark:
        "benchmarks/metadata/prepare_metadata.tsv"
    conda:
        "../envs/metadata.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["metadata"],
        seed=config["seed"],
        code=code("prepare_metadata.py"),
    message:
        "Typing the metadata and splitting the samples by group"
    script:
        "../scripts/prepare_metadata.py"
