# What a model is told of the taxa.
KNOWN = {
    "transformer": {
        "embedding": "results/embedding/poincare.npz",
        "channels": "results/functions/channels.tsv",
        "taxonomy": "results/taxonomy/taxonomy.tsv",
        "tree": "results/phylogeny/tree.nwk",
    },
    "unet": {"basis": "results/images/basis.npz"},
}


rule train_diffusion:
    input:
        **({"tree": "results/phylogeny/tree.nwk"} if config["diffusion"]["phylogenetic"] else {})
        | KNOWN.get(config["diffusion"]["model"], {}),
        composition="results/images/composition.npz",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
    output:
        model="results/diffusion/model.pt",
        history="results/diffusion/training.tsv",
        quality="results/diffusion/quality.json",
    log:
        "logs/diffusion/train_diffusion.log",
    benchmark:
        "benchmarks/diffusion/train_diffusion.tsv"
    conda:
        "../envs/diffusion.yaml"
    threads: config["diffusion"]["threads"] * config["diffusion"]["processes"]
    resources:
        mem_mb=memory(4000),
        gpu=int(config["diffusion"]["device"] == "cuda") * config["diffusion"]["processes"],
    params:
        config=without("diffusion", "conditions"),
        seed=config["seed"],
        code=code("train_diffusion.py"),
    message:
        "Learning to generate communities"
    script:
        "../scripts/train_diffusion.py"


rule generate_communities:
    input:
        model="results/diffusion/model.pt",
        composition="results/images/composition.npz",
        basis="results/images/basis.npz",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
    output:
        table="results/diffusion/generated.biom",
        conditions="results/diffusion/generated.tsv",
        landscapes="results/diffusion/generated.npz",
    log:
        "logs/diffusion/generate_communities.log",
    benchmark:
        "benchmarks/diffusion/generate_communities.tsv"
    conda:
        "../envs/diffusion.yaml"
    threads: config["diffusion"]["threads"]
    resources:
        mem_mb=memory(4000),
        gpu=int(config["diffusion"]["device"] == "cuda"),
    params:
        config=without("diffusion", "conditions"),
        seed=config["seed"],
        code=code("generate_communities.py"),
    message:
        "Generating {params.config[samples]} communities"
    script:
        "../scripts/generate_communities.py"


rule describe_generator:
    input:
        model="results/diffusion/model.pt",
        quality="results/diffusion/quality.json",
        metrics="results/evaluation/generation.json",
    output:
        card="results/diffusion/card.md",
    log:
        "logs/diffusion/describe_generator.log",
    benchmark:
        "benchmarks/diffusion/describe_generator.tsv"
    conda:
        "../envs/diffusion.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        # The card names settings of several sections.
        config={name: config[name] for name in ("seed", "metadata", "rarefy")},
        code=code("describe_generator.py"),
    message:
        "Writing the card of the generator"
    script:
        "../scripts/describe_generator.py"


if config["diffusion"]["conditions"]:

    rule generate_asked:
        input:
            conditions=config["diffusion"]["conditions"],
            model="results/diffusion/model.pt",
            composition="results/images/composition.npz",
            basis="results/images/basis.npz",
            design="results/metadata/design.tsv",
            encoding="results/metadata/encoding.json",
            splits="results/metadata/splits.tsv",
        output:
            table="results/diffusion/asked.biom",
            conditions="results/diffusion/asked.tsv",
            landscapes="results/diffusion/asked.npz",
        log:
            "logs/diffusion/generate_asked.log",
        benchmark:
            "benchmarks/diffusion/generate_asked.tsv"
        conda:
            "../envs/diffusion.yaml"
        threads: config["diffusion"]["threads"]
        resources:
            mem_mb=memory(4000),
            gpu=int(config["diffusion"]["device"] == "cuda"),
        params:
            config=without("diffusion", "conditions"),
            seed=config["seed"],
            code=code("generate_asked.py"),
        message:
            "Generating the communities that {input.conditions} asks for"
        script:
            "../scripts/generate_asked.py"
