rule embed_tree:
    input:
        tree="results/phylogeny/tree.nwk",
    output:
        coordinates="results/embedding/poincare.npz",
        quality="results/embedding/quality.json",
    log:
        "logs/embedding/embed_tree.log",
    benchmark:
        "benchmarks/embedding/embed_tree.tsv"
    conda:
        "../envs/embedding.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000),
    params:
        config=config["embedding"],
        seed=config["seed"],
        code=code("embed_tree.py"),
    message:
        "Embedding the tree in a {params.config[dim]}-dimensional Poincare ball"
    script:
        "../scripts/embed_tree.py"
