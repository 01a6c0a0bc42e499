"""The cluster profile on a real SLURM of one node, started here: jobs, retries with more, one GPU, an interrupt."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, TINY, environment

pytestmark = pytest.mark.slow

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
SETTINGS = (Path("/etc/slurm/slurm.conf"), Path("/etc/slurm/gres.conf"))
OURS = "# Written by tests/test_slurm.py\n"
MUNGE_FILES = ("key-file", "pid-file", "log-file", "seed-file")
LONG = os.environ.get("TAXOSCAPE_LONG")
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={controller}
SlurmdPort={node}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """Environment in which SLURM's commands find the cluster."""

    variables: dict[str, str]

    def call(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def start(self, folder: Path, *arguments: object) -> subprocess.Popen:
        """Start snakemake in a folder, with the cluster profile, as a user would."""
        own = ["--profile", ROOT / "profiles/slurm", "--slurm-status-command", "squeue"]
        own += ["--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2"]
        own += ["--directory", folder, "--latency-wait", "5", "--max-threads", "2"]
        command = [sys.executable, "-m", "snakemake", *map(str, (*own, *arguments))]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        # A shell's background jobs ignore interrupts, and so would what they start.
        return subprocess.Popen(command, cwd=ROOT, env=self.variables, preexec_fn=heed_interrupts, **output)

    def run(self, folder: Path, *arguments: object) -> str:
        """Run it to its end, which must be a good one; what it printed."""
        process = self.start(folder, *arguments)
        said, _ = process.communicate(timeout=1800)
        assert process.returncode == 0, said[-4000:]
        return said


def heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A controller and a node with two cores and a GPU that is none.

    Its files are in a folder of their own but for the configuration: jobs look for that in /etc/slurm only, because
    the executor takes SLURM's variables out of their environment.
    """
    variables = environment()
    variables["PATH"] += ":/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if not shutil.which(name, path=variables["PATH"])]
    if absent:
        pytest.skip(f"no SLURM here (apt-get install slurm-wlm munge): {', '.join(absent)}")
    if os.getuid():
        pytest.skip("SLURM's daemons need root")
    if any(path.exists() and not path.read_text().startswith(OURS) for path in SETTINGS):
        pytest.skip(f"this machine has a SLURM of its own: {SETTINGS[0]}")
    # Sockets have short names: not below pytest's folder.
    folder = Path(f"/tmp/taxoscape-slurm-{os.getpid()}")
    folder.mkdir(mode=0o755)
    configure(folder)
    daemons = []
    try:
        for command in daemons_of(folder):
            log = (folder / f"{command[0]}.out").open("w")
            daemons.append(subprocess.Popen(command, env=variables, stdout=log, stderr=log))
            time.sleep(1)
        for _ in range(60):
            state = subprocess.run(["sinfo", "-h", "-o", "%t"], env=variables, capture_output=True, text=True)
            if state.stdout.strip() == "idle":
                break
            time.sleep(0.5)
        else:
            logs = "\n".join(path.read_text()[-1500:] for path in folder.glob("*.log"))
            pytest.fail(f"SLURM did not start: {state.stdout}{state.stderr}\n{logs}")
        yield Cluster(variables)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        for path in SETTINGS:
            path.unlink()
        shutil.rmtree(folder)


def configure(folder: Path) -> None:
    """Write the configuration, a key for munge, and what stands for a GPU."""
    host, memory = socket.gethostname(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20  # MB
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    os.mknod(folder / "gpu0", 0o020666, os.makedev(1, 3))  # the null device
    ports = {"controller": free_port(), "node": free_port()}
    SETTINGS[0].parent.mkdir(exist_ok=True)
    SETTINGS[0].write_text(OURS + CONFIG.format(folder=folder, host=host.split(".")[0], memory=memory, **ports))
    SETTINGS[1].write_text(f"{OURS}Name=gpu File={folder}/gpu0\n")


def daemons_of(folder: Path) -> list[list[str]]:
    """Commands that start munge, the controller and the node, in the foreground."""
    own = [f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("socket", *MUNGE_FILES)]
    node = socket.gethostname().split(".")[0]
    return [["munged", "--foreground", "--force", *own], ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", node]]


def workflow(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "Snakefile").write_text(text)
    return folder


QUEUE = """
rule all:
    input: "a.txt", "b.txt"

rule train:
    output: "{name,[ab]}.txt"
    resources: gpu=1, mem_mb=500
    shell: "date +%s.%N > {output}; sleep 3; date +%s.%N >> {output}; echo ${{CUDA_VISIBLE_DEVICES:-none}} >> {output}"
"""


def test_two_gpu_jobs_queue_on_one_gpu(cluster, tmp_path):
    folder = workflow(tmp_path / "queue", QUEUE)
    cluster.run(folder, "--snakefile", folder / "Snakefile")
    jobs = sorted((folder / f"{name}.txt").read_text().split() for name in "ab")  # start, end, GPU
    assert [job[2] for job in jobs] == ["0", "0"], cluster.call("scontrol", "show", "node")
    assert float(jobs[0][1]) <= float(jobs[1][0])


GREEDY = """
rule all:
    input: "memory.txt"

rule greedy:
    output: "memory.txt"
    resources: mem_mb=lambda wildcards, attempt: 200 * 2 ** (attempt - 1)
    shell: "{python} -c 'import time; x = bytearray(350 * 2**20); time.sleep(5)'; echo {{resources.mem_mb}} >{{output}}"
"""


def test_a_job_past_its_memory_is_tried_again_with_twice_as_much(cluster, tmp_path):
    """It takes 350 MB and what Snakemake takes: killed at 200 and 400, done at 800."""
    folder = workflow(tmp_path / "memory", GREEDY.format(python=sys.executable))
    said = cluster.run(folder, "--snakefile", folder / "Snakefile")
    assert said.count("Trying to restart job") == 2
    assert (folder / "memory.txt").read_text() == "800\n"


SLOW = """
rule all:
    input: "time.txt"

rule slow:
    output: "time.txt"
    resources: mem_mb=500, runtime=lambda wildcards, attempt: attempt
    shell: "sleep 90; echo {resources.runtime} > {output}"
"""


@pytest.mark.skipif(not LONG, reason="takes four minutes: set TAXOSCAPE_LONG=1")
def test_a_job_past_its_time_is_tried_again_with_more(cluster, tmp_path):
    folder = workflow(tmp_path / "time", SLOW)
    cluster.run(folder, "--snakefile", folder / "Snakefile")
    assert (folder / "time.txt").read_text() == "2\n"


ENDLESS = """
rule all:
    input: expand("{name}.txt", name=range(4))

rule endless:
    output: "{name}.txt"
    resources: mem_mb=500
    shell: "sleep 600; touch {output}"
"""


def test_an_interrupt_cancels_what_is_queued_and_what_runs(cluster, tmp_path):
    folder = workflow(tmp_path / "endless", ENDLESS)
    process = cluster.start(folder, "--snakefile", folder / "Snakefile")
    for _ in range(120):
        if len(cluster.call("squeue", "-h").splitlines()) == 4:
            break
        time.sleep(0.5)
    else:
        process.kill()
        pytest.fail(f"four jobs were not queued: {process.communicate()[0]}")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode
    for _ in range(60):
        if not cluster.call("squeue", "-h"):
            break
        time.sleep(0.5)
    assert not cluster.call("squeue", "-h")
    assert not list(folder.glob("*.txt"))


def test_the_demo_goes_through_the_queue(cluster, tmp_path):
    """Its first rules; with TAXOSCAPE_LONG the whole chain."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(TINY))
    wanted = [] if LONG else ["results/reads/truncation.json"]
    common = ["--snakefile", ROOT / "Snakefile", "--configfile", folder / "config.yaml"]
    said = cluster.run(folder, *common, "--", *wanted)
    assert "has been submitted with SLURM jobid" in said
    assert (folder / (wanted[0] if wanted else "results/report/report.html")).stat().st_size
    again = cluster.run(folder, *common, "--dry-run", "--", *wanted)
    assert "Nothing to be done" in again
