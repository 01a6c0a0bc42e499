if config["input"]["taxonomy"]:

    rule import_taxonomy:
        input:
            given=config["input"]["taxonomy"],
            table="results/denoise/table.biom",
        output:
            taxonomy="results/taxonomy/taxonomy.tsv",
            summary="results/taxonomy/summary.tsv",
            top="results/taxonomy/top_taxa.tsv",
        log:
            "logs/taxonomy/import_taxonomy.log",
        benchmark:
            "benchmarks/taxonomy/import_taxonomy.tsv"
        conda:
            "../envs/taxonomy.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            code=code("import_taxonomy.py"),
        message:
            "Taking the lineages of {input.given}"
        script:
            "../scripts/import_taxonomy.py"

else:

    rule assign_taxonomy:
        input:
            table="results/denoise/table.biom",
            sequences="results/denoise/asvs.fasta",
            training_set=reference(config["taxonomy"]["training_set"]),
            species=reference(config["taxonomy"]["species"]) or [],
            checked=checked(config["taxonomy"]["training_set"], config["taxonomy"]["species"]),
        output:
            taxonomy="results/taxonomy/taxonomy.tsv",
            bootstraps="results/taxonomy/bootstraps.tsv",
            summary="results/taxonomy/summary.tsv",
            top="results/taxonomy/top_taxa.tsv",
            versions="results/taxonomy/versions.json",
        log:
            "logs/taxonomy/assign_taxonomy.log",
        benchmark:
            "benchmarks/taxonomy/assign_taxonomy.tsv"
        conda:
            "../envs/taxonomy.yaml"
        threads: 2
        resources:
            mem_mb=memory(6000),
        params:
            config=config["taxonomy"],
            seed=config["seed"],
            code=code("assign_taxonomy.py"),
        message:
            "Assigning lineages against {input.training_set}"
        script:
            "../scripts/assign_taxonomy.py"
