# References that the config gives by name. Compute nodes often reach no network, so downloads run beside Snakemake.
localrules:
    fetch_reference,


# An existing file and the study's lock are kept (update) and checked, not made anew.
rule fetch_reference:
    output:
        file=update(f"{config['references']['folder']}/{{file}}"),
        lock=update("results/references/{file}.json"),
    log:
        "logs/references/fetch_reference/{file}.log",
    benchmark:
        "benchmarks/references/fetch_reference/{file}.tsv"
    wildcard_constraints:
        file="|".join(re.escape(name) for name in references.by_file()),
    conda:
        "../envs/references.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        code=code("fetch_reference.py"),
    message:
        "Fetching {wildcards.file}"
    script:
        "../scripts/fetch_reference.py"
