# The simulated cohort with its truth beside it; the rule exists only when no study is given.
if DEMO:

    rule make_demo:
        output:
            **{name: f"{demo.FOLDER}/{path}" for name, path in demo.FILES.items()},
            reads=list(SHEET["fq1"]) + list(SHEET["fq2"]),
        log:
            "logs/demo/make_demo.log",
        benchmark:
            "benchmarks/demo/make_demo.tsv"
        conda:
            "../envs/demo.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["demo"],
            seed=config["seed"],
            code=code("make_demo.py"),
        message:
            "Simulating {params.config[subjects]} people x {params.config[timepoints]} samples"
        script:
            "../scripts/make_demo.py"
