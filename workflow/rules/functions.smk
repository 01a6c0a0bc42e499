# Functional profiles by functions.method. Files that a study has are taken: with input.ko the method is `table`.
from taxoscape.digest import ROOT

METHOD = "table" if config["input"]["ko"] else config["functions"]["method"]
REFERENCE = {name: reference(value) for name, value in config["functions"]["reference"].items()}
REFERENCES_CHECKED = checked(*config["functions"]["reference"].values())
SEARCHES = METHOD in ("nearest", "parsimony")
# What profile_functions reads besides the table, by method.
PROFILE_FILES = {
    "nearest": {"ko": REFERENCE["ko"], "copies": REFERENCE["copies"]},
    "parsimony": {"ko": REFERENCE["ko"], "copies": REFERENCE["copies"], "tree": REFERENCE["tree"]},
    # Under method `table` the reference names the features; beside input.ko alone it names genomes of no use here.
    "table": {
        "ko": config["input"]["ko"] or REFERENCE["ko"],
        "copies": REFERENCE["copies"] if config["functions"]["method"] == "table" else None,
    },
    "picrust2": {"ko": "results/functions/picrust2/ko.tsv.gz", "nsti": "results/functions/picrust2/nsti.tsv.gz"},
    "none": {},
}[METHOD]
PROFILE_FILES = {name: path for name, path in PROFILE_FILES.items() if path}
GENOME_FILES = dict(PROFILE_FILES)
if SEARCHES:
    PROFILE_FILES["hits"] = "results/functions/hits.tsv"
if SEARCHES or METHOD == "picrust2":
    PROFILE_FILES["version"] = "results/functions/version.txt"
if METHOD != "none":
    PROFILE_FILES["map"] = REFERENCE["map"]


if SEARCHES:

    rule prepare_reference:
        input:
            **GENOME_FILES,
            sequences=REFERENCE["sequences"],
            checked=REFERENCES_CHECKED,
        output:
            # Kept: a temporary file would be made anew whenever the ASVs change.
            sequences="results/functions/reference.fna",
        log:
            "logs/functions/prepare_reference.log",
        benchmark:
            "benchmarks/functions/prepare_reference.tsv"
        conda:
            "../envs/functions.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
        params:
            config=config["functions"],
            code=code("prepare_reference.py"),
        message:
            "Checking the reference genomes of {input.sequences}"
        script:
            "../scripts/prepare_reference.py"

    # Candidates are aligned in the order of shared words, 200 accepted or 500 rejected at most: against an exhaustive
    # search that gave the same best identity for 538 of 538 ASVs and the same ties for 537, in a tenth of the time.
    # Parsimony learns from the hits that are further away, too.
    rule search_reference:
        input:
            sequences="results/filter/asvs.fasta",
            reference="results/functions/reference.fna",
        output:
            hits=temp("results/functions/hits.tsv"),
            version=temp("results/functions/version.txt"),
        log:
            "logs/functions/search_reference.log",
        benchmark:
            "benchmarks/functions/search_reference.tsv"
        conda:
            "../envs/functions.yaml"
        threads: 4
        resources:
            mem_mb=memory(4000),
        params:
            config=config["functions"],
            hits="--top_hits_only" if METHOD == "nearest" else "",
        message:
            "Searching the nearest reference of each ASV"
        shell:
            "(touch {output.hits:q}; vsearch --version > {output.version:q} 2>&1; "
            "if [ -s {input.sequences:q} ]; then "
            "vsearch --usearch_global {input.sequences:q} --db {input.reference:q} --strand both "
            "--id {params.config[min_identity]} --maxaccepts 200 --maxrejects 500 {params.hits} "
            "--userout {output.hits:q} --userfields query+target+id+qcov --threads {threads}; fi) > {log:q} 2>&1"


if METHOD == "picrust2":

    # PICRUSt2 refuses an output folder that exists. Without --stratified: the profile of each ASV is all we read.
    # Where all ASVs are of one domain its file bears the name of that, and before 2.6 neither domain's.
    rule run_picrust2:
        input:
            sequences="results/filter/asvs.fasta",
            table="results/filter/table.biom",
        output:
            ko="results/functions/picrust2/ko.tsv.gz",
            nsti="results/functions/picrust2/nsti.tsv.gz",
            version=temp("results/functions/version.txt"),
        log:
            "logs/functions/run_picrust2.log",
        benchmark:
            "benchmarks/functions/run_picrust2.tsv"
        conda:
            "../envs/picrust2.yaml"
        threads: 8
        resources:
            mem_mb=memory(20000),
        params:
            config=config["functions"],
            folder=subpath(output.ko, parent=True),
            normalise="--skip_norm" if config["functions"]["normalise"] is False else "",
        message:
            "Predicting KO copies with PICRUSt2"
        shell:
            "(rm -rf {params.folder:q}; picrust2_pipeline.py --version > {output.version:q}; "
            "picrust2_pipeline.py -s {input.sequences:q} -i {input.table:q} -o {params.folder:q} "
            "-t {params.config[placement]} --max_nsti {params.config[max_nsti]} {params.normalise} "
            "--in_traits KO --no_pathways -p {threads}; "
            "cd {params.folder:q}; "
            "for name in KO_predicted arc_KO_predicted bac_KO_predicted combined_KO_predicted; do "
            "if [ -e $name.tsv.gz ]; then cp $name.tsv.gz ko.tsv.gz; fi; done; "
            "for name in marker_predicted_and_nsti combined_marker_predicted_and_nsti; do "
            "if [ -e $name.tsv.gz ]; then cp $name.tsv.gz nsti.tsv.gz; fi; done) > {log:q} 2>&1"


rule profile_functions:
    input:
        **PROFILE_FILES,
        table="results/filter/table.biom",
        channels=str(ROOT / "resources" / "channels.tsv"),
        acids=str(ROOT / "resources" / "scfa.tsv"),
        checked=REFERENCES_CHECKED,
    output:
        ko="results/functions/ko.tsv.gz",
        channels="results/functions/channels.tsv",
        nsti="results/functions/nsti.tsv",
        acids="results/functions/scfa.tsv",
        quality="results/functions/quality.json",
        versions="results/functions/versions.json",
    log:
        "logs/functions/profile_functions.log",
    benchmark:
        "benchmarks/functions/profile_functions.tsv"
    conda:
        "../envs/functions.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
    params:
        config=config["functions"],
        method=METHOD,
        code=code("profile_functions.py"),
    message:
        "Profiling functions by method {params.method}"
    script:
        "../scripts/profile_functions.py"


if METHOD != "none":

    # Functions of whole samples, for those who want a table of samples x KO: the rest of the workflow reads channels.tsv.
    rule summarise_functions:
        input:
            table="results/filter/table.biom",
            ko="results/functions/ko.tsv.gz",
            nsti="results/functions/nsti.tsv",
            channels=str(ROOT / "resources" / "channels.tsv"),
            acids=str(ROOT / "resources" / "scfa.tsv"),
            map=REFERENCE["map"],
            checked=checked(config["functions"]["reference"]["map"]),
        output:
            samples="results/functions/samples.tsv",
            ko="results/functions/samples_ko.tsv.gz",
            channels="results/functions/samples_channels.tsv",
            stratified=["results/functions/stratified.tsv.gz"] if config["functions"]["stratified"] else [],
        log:
            "logs/functions/summarise_functions.log",
        benchmark:
            "benchmarks/functions/summarise_functions.tsv"
        conda:
            "../envs/functions.yaml"
        threads: 1
        resources:
            mem_mb=memory(8000),
        params:
            config=config["functions"],
            code=code("summarise_functions.py"),
        message:
            "Summing functions over the genomes of each sample"
        script:
            "../scripts/summarise_functions.py"

    rule draw_functions:
        input:
            table="results/filter/table.biom",
            taxonomy="results/taxonomy/taxonomy.tsv",
            channels="results/functions/channels.tsv",
            nsti="results/functions/nsti.tsv",
            quality="results/functions/quality.json",
        output:
            channels=shown("results/functions/channels.png", "function_channels"),
            nsti=shown("results/functions/nsti.png", "function_distance"),
        log:
            "logs/functions/draw_functions.log",
        benchmark:
            "benchmarks/functions/draw_functions.tsv"
        conda:
            "../envs/functions.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
        params:
            config=config["functions"],
            code=code("draw_functions.py"),
        message:
            "Drawing the channels of the genera and the distances to the references"
        script:
            "../scripts/draw_functions.py"
