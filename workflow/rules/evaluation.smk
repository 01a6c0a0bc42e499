rule evaluate_generation:
    input:
        table="results/diffusion/generated.biom",
        conditions="results/diffusion/generated.tsv",
        quality="results/diffusion/quality.json",
        composition="results/images/composition.npz",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
    output:
        metrics="results/evaluation/generation.json",
        figure=shown("results/evaluation/generation.png", "generation"),
        taxa=shown("results/evaluation/generation_taxa.png", "generation_taxa"),
    log:
        "logs/evaluation/evaluate_generation.log",
    benchmark:
        "benchmarks/evaluation/evaluate_generation.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
    params:
        config=config["evaluation"],
        seed=config["seed"],
        code=code("evaluate_generation.py"),
    message:
        "Comparing generated with held-out communities"
    script:
        "../scripts/evaluate_generation.py"


rule draw_generated:
    input:
        generated="results/diffusion/generated.biom",
        conditions="results/diffusion/generated.tsv",
        basis="results/images/basis.npz",
        composition="results/images/composition.npz",
        table="results/filter/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
    output:
        figure=shown("results/evaluation/landscapes.png", "landscapes"),
    log:
        "logs/evaluation/draw_generated.log",
    benchmark:
        "benchmarks/evaluation/draw_generated.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        code=code("draw_generated.py"),
    message:
        "Drawing generated communities beside held-out ones"
    script:
        "../scripts/draw_generated.py"
