"""Primers cut from the reads with cutadapt: at the 5' end, and at the 3' end where a read runs through its amplicon.

A read (pair) is kept when it starts with its primer, whichever way round it was sequenced: pairs whose mates carry the
primers swapped are turned round (R1 and R2 change places), single reads that run through to the forward primer are
reverse-complemented. The others are dropped and counted.
M. Martin, Cutadapt removes adapter sequences from high-throughput sequencing reads, EMBnet.journal 17 (2011).
"""

import gzip
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from taxoscape import programs
from taxoscape.errors import InputError
from taxoscape.files import read_json, whole_folder
from taxoscape.reads import sampling
from taxoscape.tables import reverse_complement

# Letter -> the bases it stands for (IUPAC 1985).
LETTERS = ["A=A", "C=C", "G=G", "T=T", "R=AG", "Y=CT", "S=CG", "W=AT", "K=GT", "M=AC"]
LETTERS += ["B=CGT", "D=AGT", "H=ACT", "V=ACG", "N=ACGT"]
IUPAC = dict(letter.split("=") for letter in LETTERS)
COLUMNS = ["sample", "reads", "as_given", "turned", "without_primers", "empty", "kept"]


def spelled(sequence: str) -> str:
    """Primer in upper-case DNA letters; U is T, and inosine (I) pairs with any base (N)."""
    return sequence.strip().upper().replace("U", "T").replace("I", "N")


def trim_samples(
    samples: list[str], forward: list[str], reverse: list[str], primers: dict, folder: str, config: dict, cores: int
) -> pd.DataFrame:
    """Cut the primers of every sample into `folder`; return one row a sample (COLUMNS). No reverse files: single end.

    Files are named by the place of the sample: 0001_R1.fastq.gz, 0001_R2.fastq.gz. The folder is whole or absent.
    Raises InputError for a sample of which a share of the reads below reads.primer_share has its primers.
    """
    rows = []
    with whole_folder(folder) as partial:
        for place, (sample, *reads) in enumerate(zip(samples, forward, *([reverse] if reverse else []), strict=True)):
            trimmed = [partial / f"{place + 1:04d}_R{mate + 1}.fastq.gz" for mate in range(len(reads))]
            counts = cut(reads, trimmed, primers, config, cores)
            print(sample, *(f"{name}={count}" for name, count in counts.items()))
            _check_found(sample, reads[0], counts, primers, config)
            rows.append({"sample": sample, **counts})
    return pd.DataFrame(rows, columns=COLUMNS)


def sample_trimmed(folder: str | Path, counts: pd.DataFrame) -> list[list[tuple[bytes, ...]]]:
    """Some records of every trimmed sample, none of one without reads; counts as trim_samples returns them."""
    found = []
    for place, kept in enumerate(counts["kept"]):
        files = sorted(Path(folder).glob(f"{place + 1:04d}_R*"))
        found.append(sampling.sample(files) if kept else [])
    return found


def cut(reads: list[str], trimmed: list[Path], primers: dict, config: dict, cores: int) -> dict[str, int]:
    """Cut the primers from one file or pair of files; return the reads of each fate.

    The result does not depend on the number of cores. Turned pairs follow the others.
    """
    with tempfile.TemporaryDirectory(dir=Path(trimmed[0]).parent) as folder:
        scratch = Path(folder)
        if len(reads) == 1:
            alone = ["--revcomp", "--discard-untrimmed"]
            found = _cutadapt(reads, [scratch / "cut"], linked(primers, config), config, cores, alone)
            shutil.move(_gzipped([scratch / "cut"], scratch), trimmed[0])
            turned = found["reverse_complemented"]
            return _fates(found["input"], found["output"] - turned, turned, found["too_short"])
        both = [[scratch / f"{way}{mate}" for mate in "12"] for way in ("given", "turned")]
        other = [scratch / f"other{mate}" for mate in "12"]
        adapters = linked(primers, config)
        aside = ["--untrimmed-output", str(other[0]), "--untrimmed-paired-output", str(other[1])]
        first = _cutadapt(reads, both[0], adapters, config, cores, aside)
        second = _cutadapt(other[::-1], both[1], adapters, config, cores, ["--discard-untrimmed"])
        for mate, path in enumerate(trimmed):
            shutil.move(_gzipped([files[mate] for files in both], scratch), path)
        return _fates(first["input"], first["output"], second["output"], first["too_short"] + second["too_short"])


def linked(primers: dict, config: dict) -> list[str]:
    """Primers as cutadapt's linked adapters: the read's own at 5' is needed, the other's complement at 3' is not."""
    overlap = f"min_overlap={config['primer_overlap']}"
    forward, reverse = (spelled(primers[direction] or "") for direction in ("forward", "reverse"))
    adapters = []
    for option, own, other in (("-g", forward, reverse), ("-G", reverse, forward)):
        through = f"...{reverse_complement(other)};optional;{overlap}" if other else ""
        if own:
            adapters += [option, f"{own};required;{overlap}{through}" if through else f"{own};{overlap}"]
    return adapters


def trimmed_files(folders: list[str], fq1: list[str], fq2: list[str]) -> tuple[list[str], list[str]]:
    """Forward and reverse files to go on with: those of the trimmed shards, or the raw ones where none was trimmed."""
    if not folders:
        return list(fq1), list(fq2)
    found = [[str(path) for folder in folders for path in sorted(Path(folder).glob(f"*_R{mate}.*"))] for mate in "12"]
    return found[0], found[1]


def provenance(primers: dict, config: dict) -> dict:
    """Version of cutadapt, and the arguments that it was called with."""
    version = programs.run([programs.find("cutadapt"), "--version"]).strip()
    arguments = {"-e": config["primer_errors"], "min_overlap": config["primer_overlap"], **primers}
    return {"versions": {"cutadapt": version}, "arguments": {"cutadapt": arguments}}


def _cutadapt(
    reads: list, trimmed: list[Path], adapters: list[str], config: dict, cores: int, more: list[str]
) -> dict[str, int]:
    """Run cutadapt on one file or a pair -> the read counts of its report."""
    report = trimmed[0].with_suffix(".json")
    outputs = [item for pair in zip(("-o", "-p"), map(str, trimmed), strict=False) for item in pair]
    adapters = adapters if len(reads) == 2 else adapters[:2]
    # {header}: reads that are turned round keep the name that the sequencer gave them.
    named = ["--rename", "{header}"] if len(reads) == 1 else []
    command = [programs.find("cutadapt"), "-j", str(cores), "-e", str(config["primer_errors"]), "-m", "1"]
    command += ["--json", str(report), "--report", "minimal"]
    programs.run([*command, *adapters, *more, *named, *outputs, *map(str, reads)])
    counts = read_json(report)["read_counts"]
    # Where there was nothing to read, a count is null.
    return {name: count or 0 for name, count in (counts | counts["filtered"]).items() if name != "filtered"}


def _gzipped(parts: list[Path], scratch: Path) -> Path:
    """Parts one after the other in one gzip file without a time stamp: the same reads are the same bytes."""
    path = scratch / "joined.gz"
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as handle:
        for part in parts:
            with open(part, "rb") as source:
                shutil.copyfileobj(source, handle, 1 << 20)
    return path


def _fates(reads: int, as_given: int, turned: int, empty: int) -> dict[str, int]:
    kept = as_given + turned
    return dict(zip(COLUMNS[1:], (reads, as_given, turned, reads - kept - empty, empty, kept), strict=True))


def _check_found(sample: str, file: str, counts: dict[str, int], primers: dict, config: dict) -> None:
    if counts["kept"] < config["primer_share"] * counts["reads"]:
        named = " and ".join(f"{direction} {sequence}" for direction, sequence in primers.items() if sequence)
        raise InputError(
            f"sample {sample}: only {counts['kept']:,} of {counts['reads']:,} reads ({file}) start with the primers "
            f"({named}): correct reads.primers, set it to null where they were cut before, leave the sample out of the "
            f"sheet, or lower reads.primer_share={config['primer_share']}"
        )
