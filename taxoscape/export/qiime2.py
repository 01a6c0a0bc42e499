"""Files that `qiime tools import` takes, and sample metadata by QIIME 2's rules.

Those rules (https://docs.qiime2.org, "Metadata in QIIME 2"): the id column has one of a few names, which no other
column may have; rows whose id begins with # are comments; cells are quoted as in CSV; a second row `#q2:types` says
which columns are numeric or categorical.
"""

import csv
import io

import pandas as pd

from taxoscape import tables
from taxoscape.export.study import Study
from taxoscape.files import write_text, write_tsv

# Names that QIIME 2 reserves for the id column, whatever the case, and a few as they are.
RESERVED = {"id", "sampleid", "sample id", "sample-id", "featureid", "feature id", "feature-id"}
RESERVED_AS_IS = {"#SampleID", "#Sample ID", "#OTUID", "#OTU ID", "sample_name"}


def write(study: Study, files: dict) -> None:
    """Write table, taxonomy, sequences, tree and metadata to the paths of `files`."""
    features = study.table.ids("observation")
    tables.write_table(study.table.matrix_data.T, features, study.table.ids(), files["table"])
    write_tsv(study.taxonomy.rename_axis("Feature ID"), files["taxonomy"], index=True)
    tables.write_fasta(study.sequences, files["sequences"])
    write_text(study.tree, files["tree"])
    write_text(metadata_text(study.samples, study.kinds), files["metadata"])


def metadata_text(samples: pd.DataFrame, kinds: dict[str, str]) -> str:
    """Sample metadata (index sample) in QIIME 2's form; samples that it would take for comments are left out."""
    comments = [sample for sample in samples.index if sample.startswith("#")]
    if comments:
        print(f"{len(comments)} sample ids begin with '#', which QIIME 2 takes for a comment: {', '.join(comments)}")
    text = io.StringIO()
    writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    writer.writerow(["sample-id", *map(allowed, samples.columns)])
    # Where nothing is declared the cell is empty, and QIIME 2 infers the type.
    writer.writerow(["#q2:types", *(kinds.get(name, "") for name in samples.columns)])
    rows = samples.drop(index=comments).reset_index()
    writer.writerows(rows.to_numpy().tolist())
    return text.getvalue()


def allowed(name: str) -> str:
    """Column name, with an underscore behind where QIIME 2 reserves it or takes it for a comment."""
    name = name.strip()
    return f"{name}_" if name.lower() in RESERVED or name in RESERVED_AS_IS else name
