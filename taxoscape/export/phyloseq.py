"""Files that R reads into a phyloseq object, and the script that does it with every name as it is."""

from pathlib import Path

from taxoscape import tables
from taxoscape.export.study import Study, rank_table
from taxoscape.files import write_text, write_tsv

# read.table would trim names, read "NA" as missing and end lines at "#"; so lines are cut at their tabs and no more.
SCRIPT = """\
# Builds `ps`, the phyloseq object of this study, from the files beside this script:
#   source("{folder}/load_phyloseq.R")
# Needs the Bioconductor package phyloseq. Sample and taxon names stay as they are.
ps <- local({{
  numeric_columns <- c({numeric})

  sourced <- Filter(Negate(is.null), lapply(sys.frames(), function(frame) frame$ofile))
  called <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  folder <- dirname(c(rev(unlist(sourced)), gsub("~+~", " ", called, fixed = TRUE), "./")[1])

  # Tab-separated text, the first row and the first column names; a mark at the end keeps empty last cells.
  read_cells <- function(name) {{
    lines <- readLines(file.path(folder, name), encoding = "UTF-8", warn = FALSE)
    cells <- do.call(rbind, strsplit(paste0(lines, "\\t."), "\\t", fixed = TRUE))
    inner <- cells[-1, -c(1, ncol(cells)), drop = FALSE]
    dimnames(inner) <- list(cells[-1, 1], cells[1, -c(1, ncol(cells))])
    inner
  }}
  blank_as_missing <- function(cells) {{
    cells[cells == ""] <- NA
    cells
  }}

  counts <- read_cells("otu_table.tsv")
  storage.mode(counts) <- "numeric"
  ranks <- blank_as_missing(read_cells("tax_table.tsv"))
  about <- as.data.frame(blank_as_missing(read_cells("sample_data.tsv")), stringsAsFactors = FALSE)
  about[numeric_columns] <- lapply(about[numeric_columns], as.numeric)
  sequences <- Biostrings::readDNAStringSet(file.path(folder, "refseq.fasta"))
  # ape does not read every quoted name, so they are set aside and put back.
  newick <- paste(readLines(file.path(folder, "tree.nwk"), encoding = "UTF-8", warn = FALSE), collapse = "")
  places <- gregexpr("'([^']|'')*'", newick)
  quoted <- unlist(regmatches(newick, places))
  marks <- sprintf("quoted-name-%d", seq_along(quoted))
  regmatches(newick, places) <- list(marks)
  tree <- ape::read.tree(text = newick)
  named <- gsub("''", "'", substring(quoted, 2, nchar(quoted) - 1), fixed = TRUE)
  put_back <- function(label) ifelse(label %in% marks, named[match(label, marks)], label)
  tree$tip.label <- put_back(tree$tip.label)
  if (!is.null(tree$node.label)) tree$node.label <- put_back(tree$node.label)

  # phyloseq takes quotes out of names, and names 1, 2, 3, ... for none: it is built on numbered ones, named at the end.
  taxa <- rownames(counts)
  samples <- colnames(counts)
  numbered <- function(names, known, mark) {{
    place <- match(names, known)
    ifelse(is.na(place), paste0("other", mark, seq_along(names)), paste0(mark, place))
  }}
  dimnames(counts) <- list(numbered(taxa, taxa, "taxon"), numbered(samples, samples, "sample"))
  rownames(ranks) <- numbered(rownames(ranks), taxa, "taxon")
  rownames(about) <- numbered(rownames(about), samples, "sample")
  tree$tip.label <- numbered(tree$tip.label, taxa, "taxon")
  names(sequences) <- numbered(names(sequences), taxa, "taxon")
  parts <- list(
    phyloseq::otu_table(counts, taxa_are_rows = TRUE), phyloseq::tax_table(ranks), phyloseq::sample_data(about)
  )

  # phyloseq drops every taxon that one of its parts lacks, so a part that lacks any stays out.
  for (part in list(list("tree.nwk", tree, tree$tip.label), list("refseq.fasta", sequences, names(sequences)))) {{
    lacking <- sum(!rownames(counts) %in% part[[3]])
    if (lacking == 0) {{
      parts <- c(parts, list(part[[2]]))
    }} else {{
      message(part[[1]], " lacks ", lacking, " of the ", nrow(counts), " taxa and is left out of ps")
    }}
  }}
  found <- do.call(phyloseq::phyloseq, parts)
  phyloseq::taxa_names(found) <- taxa[match(phyloseq::taxa_names(found), rownames(counts))]
  phyloseq::sample_names(found) <- samples[match(phyloseq::sample_names(found), colnames(counts))]
  # phyloseq mends names of columns when it sorts samples, and may again when you take a part of ps.
  found@sam_data@names <- colnames(about)
  found
}})
"""


def write(study: Study, files: dict) -> None:
    """Write otu_table, tax_table, sample_data (TSV), tree, refseq and the script to the paths of `files`."""
    write_text(counts_text(study), files["otu_table"])
    write_tsv(rank_table(study.taxonomy).rename_axis("ASV"), files["tax_table"], index=True)
    write_tsv(study.samples, files["sample_data"], index=True)
    write_text(study.tree, files["tree"])
    tables.write_fasta(study.sequences, files["refseq"])
    numeric = ", ".join(quoted(name) for name, kind in study.kinds.items() if kind == "numeric")
    write_text(SCRIPT.format(folder=Path(files["script"]).parent, numeric=numeric), files["script"])


def counts_text(study: Study) -> str:
    """Counts as TSV, features x samples."""
    matrix = study.table.matrix_data.tocsr()
    lines = ["\t".join(["ASV", *study.table.ids()])]
    for row, feature in enumerate(study.table.ids("observation")):
        lines.append("\t".join([feature, *map(str, matrix[row].toarray()[0].astype(int))]))
    return "\n".join(lines) + "\n"


def quoted(name: str) -> str:
    """Name as a string of R."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
