# The tree: the study's own, the ASVs inserted into a reference tree, or one built of the ASVs alone.
TREE_METHOD = "given" if config["input"]["tree"] else config["phylogeny"]["method"]
MASK = "results/phylogeny/mask.tsv" if TREE_METHOD == "denovo" else []
PLACES = "results/phylogeny/placements.tsv" if TREE_METHOD == "insertion" else []
CALLERS = {"given": [], "denovo": ["align_asvs", "infer_tree"], "insertion": ["align_to_reference", "place_asvs"]}
# An outgroup may be a part of lineages.
LINEAGES = "results/taxonomy/taxonomy.tsv" if config["phylogeny"]["root"] == "outgroup" else []

if TREE_METHOD == "given":

    rule import_tree:
        input:
            given=config["input"]["tree"],
            table="results/filter/table.biom",
            taxonomy=LINEAGES,
        output:
            tree="results/phylogeny/tree.nwk",
            changes="results/phylogeny/changes.json",
        log:
            "logs/phylogeny/import_tree.log",
        benchmark:
            "benchmarks/phylogeny/import_tree.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
        params:
            config=config["phylogeny"],
            code=code("import_tree.py"),
        message:
            "Taking the tree {input.given}"
        script:
            "../scripts/import_tree.py"

elif TREE_METHOD == "insertion":

    rule align_to_reference:
        input:
            sequences="results/filter/asvs.fasta",
            alignment=config["phylogeny"]["reference"]["alignment"],
            tree=config["phylogeny"]["reference"]["tree"],
        output:
            aligned="results/phylogeny/aligned.fasta",
            call=temp("results/phylogeny/calls/align_to_reference.json"),
        log:
            "logs/phylogeny/align_to_reference.log",
        benchmark:
            "benchmarks/phylogeny/align_to_reference.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 4
        resources:
            mem_mb=memory(8000),
        params:
            config=config["phylogeny"],
            code=code("align_to_reference.py"),
        message:
            "Aligning the ASVs to {input.alignment} with MAFFT"
        script:
            "../scripts/align_to_reference.py"

    rule place_asvs:
        input:
            aligned="results/phylogeny/aligned.fasta",
            alignment=config["phylogeny"]["reference"]["alignment"],
            tree=config["phylogeny"]["reference"]["tree"],
        output:
            placements="results/phylogeny/placements.jplace",
            call=temp("results/phylogeny/calls/place_asvs.json"),
        log:
            "logs/phylogeny/place_asvs.log",
        benchmark:
            "benchmarks/phylogeny/place_asvs.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 2
        resources:
            mem_mb=memory(8000),
        params:
            config=config["phylogeny"],
            code=code("place_asvs.py"),
        message:
            "Placing the ASVs on {input.tree}"
        script:
            "../scripts/place_asvs.py"

    rule graft_asvs:
        input:
            placements="results/phylogeny/placements.jplace",
        output:
            tree="results/phylogeny/unrooted.nwk",
            places="results/phylogeny/placements.tsv",
        log:
            "logs/phylogeny/graft_asvs.log",
        benchmark:
            "benchmarks/phylogeny/graft_asvs.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
        params:
            code=code("graft_asvs.py"),
        message:
            "Grafting the ASVs into the reference tree"
        script:
            "../scripts/graft_asvs.py"

else:

    rule align_asvs:
        input:
            sequences="results/filter/asvs.fasta",
        output:
            aligned="results/phylogeny/aligned.fasta",
            call=temp("results/phylogeny/calls/align_asvs.json"),
        log:
            "logs/phylogeny/align_asvs.log",
        benchmark:
            "benchmarks/phylogeny/align_asvs.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 4
        resources:
            mem_mb=memory(4000),
        params:
            config=config["phylogeny"],
            code=code("align_asvs.py"),
        message:
            "Aligning the ASVs with MAFFT"
        script:
            "../scripts/align_asvs.py"

    rule mask_alignment:
        input:
            aligned="results/phylogeny/aligned.fasta",
        output:
            masked="results/phylogeny/masked.fasta",
            columns="results/phylogeny/mask.tsv",
        log:
            "logs/phylogeny/mask_alignment.log",
        benchmark:
            "benchmarks/phylogeny/mask_alignment.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["phylogeny"],
            code=code("mask_alignment.py"),
        message:
            "Masking alignment columns"
        script:
            "../scripts/mask_alignment.py"

    rule infer_tree:
        input:
            masked="results/phylogeny/masked.fasta",
        output:
            tree="results/phylogeny/unrooted.nwk",
            call=temp("results/phylogeny/calls/infer_tree.json"),
        log:
            "logs/phylogeny/infer_tree.log",
        benchmark:
            "benchmarks/phylogeny/infer_tree.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
        params:
            config=config["phylogeny"],
            seed=config["seed"],
            code=code("infer_tree.py"),
        message:
            "Inferring the tree"
        script:
            "../scripts/infer_tree.py"


if TREE_METHOD != "given":

    rule root_tree:
        input:
            tree="results/phylogeny/unrooted.nwk",
            sequences="results/filter/asvs.fasta",
            taxonomy=LINEAGES,
        output:
            tree="results/phylogeny/tree.nwk",
            changes="results/phylogeny/changes.json",
        log:
            "logs/phylogeny/root_tree.log",
        benchmark:
            "benchmarks/phylogeny/root_tree.tsv"
        conda:
            "../envs/phylogeny.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
        params:
            config=config["phylogeny"],
            source={"denovo": "built", "insertion": "inserted"}[TREE_METHOD],
            code=code("root_tree.py"),
        message:
            "Rooting the tree"
        script:
            "../scripts/root_tree.py"


rule describe_tree:
    input:
        tree="results/phylogeny/tree.nwk",
        changes="results/phylogeny/changes.json",
        table="results/filter/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
        mask=MASK,
        places=PLACES,
        calls=expand("results/phylogeny/calls/{name}.json", name=CALLERS[TREE_METHOD]),
    output:
        quality="results/phylogeny/quality.json",
        versions="results/phylogeny/versions.json",
    log:
        "logs/phylogeny/describe_tree.log",
    benchmark:
        "benchmarks/phylogeny/describe_tree.tsv"
    conda:
        "../envs/phylogeny.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        code=code("describe_tree.py"),
    message:
        "Describing the tree"
    script:
        "../scripts/describe_tree.py"


rule draw_tree:
    input:
        tree="results/phylogeny/tree.nwk",
        table="results/filter/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
    output:
        figure=shown("results/phylogeny/tree.png", "tree"),
    log:
        "logs/phylogeny/draw_tree.log",
    benchmark:
        "benchmarks/phylogeny/draw_tree.tsv"
    conda:
        "../envs/phylogeny.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        code=code("draw_tree.py"),
    message:
        "Drawing the tree"
    script:
        "../scripts/draw_tree.py"
