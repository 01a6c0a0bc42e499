from pathlib import Path


rule build_images:
    input:
        table="results/rarefy/table.biom",
        splits="results/metadata/splits.tsv",
        positions="results/layout/positions.tsv",
        layout="results/layout/quality.json",
        channels="results/functions/channels.tsv",
    output:
        basis="results/images/basis.npz",
        composition="results/images/composition.npz",
        quality="results/images/quality.json",
    log:
        "logs/images/build_images.log",
    benchmark:
        "benchmarks/images/build_images.tsv"
    conda:
        "../envs/images.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000),
    params:
        config=without("images", "store", "previews", "gallery"),
        seed=config["seed"],
        code=code("build_images.py"),
    message:
        "Building images of {params.config[size]} x {params.config[size]} pixels and testing their inverse"
    script:
        "../scripts/build_images.py"


rule draw_previews:
    input:
        basis="results/images/basis.npz",
        composition="results/images/composition.npz",
        quality="results/images/quality.json",
        table="results/filter/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
    output:
        taxa=shown("results/images/previews/taxa.png", "taxa"),
        channels=shown("results/images/previews/channels.png", "channels"),
        samples=shown("results/images/previews/samples.png", "samples"),
        difference=shown("results/images/previews/difference.png", "difference"),
        noise=shown("results/images/previews/noise.png", "noise"),
    log:
        "logs/images/draw_previews.log",
    benchmark:
        "benchmarks/images/draw_previews.tsv"
    conda:
        "../envs/images.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        previews=config["images"]["previews"],
        code=code("draw_previews.py"),
    message:
        "Drawing the map of taxa and {params.previews} samples on it"
    script:
        "../scripts/draw_previews.py"


rule draw_gallery:
    input:
        basis="results/images/basis.npz",
        composition="results/images/composition.npz",
        table="results/filter/table.biom",
        taxonomy="results/taxonomy/taxonomy.tsv",
        functions="results/functions/quality.json",
        design="results/metadata/design.tsv",
        encoding="results/metadata/encoding.json",
        splits="results/metadata/splits.tsv",
        templates=sorted(map(str, Path(f"{workflow.basedir}/workflow/report/gallery").iterdir())),
    output:
        html=shown("results/images/gallery.html", "gallery"),
    log:
        "logs/images/draw_gallery.log",
    benchmark:
        "benchmarks/images/draw_gallery.tsv"
    conda:
        "../envs/images.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        gallery=config["images"]["gallery"],
        seed=config["seed"],
        simulated=DEMO,
        code=code("draw_gallery.py"),
    message:
        "Writing the gallery of at most {params.gallery} samples"
    script:
        "../scripts/draw_gallery.py"


# Written only where images.store asks for it. The array itself is no declared output, so that a killed job can go on.
rule store_images:
    input:
        basis="results/images/basis.npz",
        composition="results/images/composition.npz",
    output:
        complete="results/images/images.zarr/complete.json",
    log:
        "logs/images/store_images.log",
    benchmark:
        "benchmarks/images/store_images.tsv"
    conda:
        "../envs/images.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000),
    params:
        store=config["images"]["store"],
        code=code("store_images.py"),
    message:
        "Storing the images of all samples ({params.store})"
    script:
        "../scripts/store_images.py"
