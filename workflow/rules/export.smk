rule export_study:
    input:
        table={"filtered": "results/filter/table.biom", "rarefied": "results/rarefy/table.biom"}[
            config["export"]["table"]
        ],
        taxonomy="results/taxonomy/taxonomy.tsv",
        sequences="results/filter/asvs.fasta",
        tree="results/phylogeny/tree.nwk",
        splits="results/metadata/splits.tsv",
        metadata=config["metadata"]["file"],
    output:
        biom="results/export/table.biom",
        readme="results/export/README.txt",
        r_otu_table="results/export/phyloseq/otu_table.tsv",
        r_tax_table="results/export/phyloseq/tax_table.tsv",
        r_sample_data="results/export/phyloseq/sample_data.tsv",
        r_tree="results/export/phyloseq/tree.nwk",
        r_refseq="results/export/phyloseq/refseq.fasta",
        r_script="results/export/phyloseq/load_phyloseq.R",
        q2_table="results/export/qiime2/feature-table.biom",
        q2_taxonomy="results/export/qiime2/taxonomy.tsv",
        q2_sequences="results/export/qiime2/rep-seqs.fasta",
        q2_tree="results/export/qiime2/tree.nwk",
        q2_metadata="results/export/qiime2/sample-metadata.tsv",
    log:
        "logs/export/export_study.log",
    benchmark:
        "benchmarks/export/export_study.tsv"
    conda:
        "../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        config=config["export"],
        metadata=config["metadata"],
        code=code("export_study.py"),
    message:
        "Writing the study for phyloseq, QIIME 2 and whatever reads BIOM"
    script:
        "../scripts/export_study.py"
