"""What runs inside R: DADA2's functions called as its tutorial calls them, and an error model for binned qualities."""

SOURCE = """
suppressPackageStartupMessages(library(dada2))

# Error rates where qualities come in bins: the observed rate at each bin, straight lines in log10 between the bins.
# A loess over all qualities, as for full-scale qualities, dips and rises between the few that were observed.
binned_errors <- function(bins) function(transitions) {
  quality <- as.numeric(colnames(transitions))
  bases <- c("A", "C", "G", "T")
  rates <- matrix(0, 16, ncol(transitions), dimnames = dimnames(transitions))
  for (from in bases) {
    total <- colSums(transitions[paste0(from, "2", bases), ])
    seen <- quality %in% bins & total > 0
    for (to in setdiff(bases, from)) {
      rate <- log10((transitions[paste0(from, "2", to), seen] + 1) / total[seen])
      line <- if (sum(seen) > 1) approx(quality[seen], rate, quality, rule = 2)$y else rate
      rates[paste0(from, "2", to), ] <- pmin(pmax(10^line, 1e-7), 0.25)
    }
    rates[paste0(from, "2", from), ] <- 1 - colSums(rates[paste0(from, "2", setdiff(bases, from)), ])
  }
  rates
}

error_function <- function(bins) if (length(bins)) binned_errors(bins) else loessErrfun

learn <- function(files, bins, options, threads) {
  fit <- error_function(bins)
  learned <- do.call("learnErrors", c(list(files, errorEstimationFunction = quote(fit), multithread = threads),
                                      options))
  learned[c("err_out", "trans")]
}

# Reads that begin an expected sequence: the priors of dada are whole reads, so they are cut to the reads' lengths.
expected_reads <- function(uniques, expected) {
  lengths <- unique(unlist(lapply(uniques, function(sample) nchar(names(sample$uniques)))))
  unique(unlist(lapply(lengths, function(length) substr(expected[nchar(expected) >= length], 1, length))))
}

# Dereplicated samples of one direction, and what dada makes of them.
infer <- function(files, errors, bins, expected, shared, options, threads, encoding) {
  uniques <- lapply(files, derepFastq, qualityType = encoding)
  priors <- as.character(expected_reads(uniques, expected))
  if (length(expected)) {
    found <- sum(priors %in% unlist(lapply(uniques, function(sample) names(sample$uniques))))
    cat(found, "of", length(expected), "expected sequences are among the reads\\n")
  }
  priors <- c(priors, shared)
  fit <- error_function(bins)
  inferred <- do.call("dada", c(list(quote(uniques), err = quote(errors), errorEstimationFunction = quote(fit),
                                     priors = quote(priors), multithread = threads), options))
  list(uniques = uniques, dada = if (length(uniques) == 1) list(inferred) else inferred)
}

# Unique sequences and reads of each sample after each step.
merge_mates <- function(forward, reverse, options) {
  lapply(seq_along(forward$uniques), function(i) {
    merged <- do.call("mergePairs", c(list(quote(forward$dada[[i]]), quote(forward$uniques[[i]]),
                                           quote(reverse$dada[[i]]), quote(reverse$uniques[[i]]), verbose = TRUE),
                                      options))
    merged <- if (nrow(merged)) getUniques(merged) else integer(0)
    list(sum(getUniques(forward$dada[[i]])), sum(getUniques(reverse$dada[[i]])), as.character(names(merged)),
         as.integer(merged))
  })
}

keep_forward <- function(forward) {
  lapply(forward$dada, function(sample) {
    found <- getUniques(sample)
    list(sum(found), sum(found), as.character(names(found)), as.integer(found))
  })
}

# Sequences, their reads and the observed transitions of each sample: what pseudo pooling shares.
shared_of <- function(inferred) {
  lapply(inferred$dada, function(sample) {
    found <- getUniques(sample$clustering)
    list(as.character(names(found)), as.integer(found), sample$trans)
  })
}

# Error rates as dada estimates them anew from the transitions of all samples.
estimate <- function(transitions, bins) {
  bases <- c("A", "C", "G", "T")
  dimnames(transitions) <- list(paste0(rep(bases, each = 4), "2", bases), seq_len(ncol(transitions)) - 1)
  suppressWarnings(error_function(bins)(transitions))
}

# One table a run, as makeSequenceTable orders it, then all runs together.
tabulate_runs <- function(run, sample, sequence, count) {
  tables <- lapply(split(seq_along(run), factor(run, unique(run))), function(rows) {
    parts <- split(rows, factor(sample[rows], unique(sample[rows])))
    makeSequenceTable(lapply(parts, function(part) setNames(count[part], sequence[part])))
  })
  if (length(tables) == 1) tables[[1]] else mergeSequenceTables(tables = unname(tables))
}
"""
