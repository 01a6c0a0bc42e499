"""References: a sound registry, and downloads that end in the registered bytes or in one line that says why not."""

import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from taxoscape import references
from taxoscape.errors import InputError
from taxoscape.references import Reference

CONTENT = gzip.compress(random.Random(0).randbytes(50_000), mtime=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
KINDS = {"training set", "species set", "alignment", "tree", "functions", "map"}


class Server(ThreadingHTTPServer):
    """Serves CONTENT under any name, as its settings say, and remembers what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cuts, self.ranges, self.busy, self.asked = CONTENT, [], True, 0, []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    """`/gone...` is 404; `cuts` are the bytes after which the next connections end; `busy` answers 503 so often."""

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.path, asked))
        if self.path.startswith("/gone"):
            return self.send_error(404)
        if server.busy:
            server.busy -= 1
            return self.send_error(503)
        start = int(asked[6:-1]) if asked and server.ranges else 0
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        end = server.cuts.pop(0) if server.cuts else len(server.content)
        self.wfile.write(server.content[start : start + end])
        return None

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(references, "PAUSE", 0.0)
    monkeypatch.setattr(references, "TIMEOUT", 10.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def registered(server, name: str = "set.fa.gz", mirror: str = "", **sums: str) -> Reference:
    """A reference at the server, of known sum unless told."""
    sums = sums or {"sha256": SHA256}
    row = dict.fromkeys(("sha256", "md5", "licence", "citation"), "") | sums
    mirror = server.url(mirror) if mirror else ""
    return Reference("test_set", "1", "training set", "set.fa.gz", server.url(name), mirror, **row)


def got(tmp_path: Path, reference: Reference) -> bytes:
    references.fetch(reference, tmp_path / "set.fa.gz", tmp_path / "results" / "lock.json")
    return (tmp_path / "set.fa.gz").read_bytes()


def refused(tmp_path: Path, reference: Reference) -> str:
    with pytest.raises(InputError) as caught:
        got(tmp_path, reference)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("sums", [{"sha256": SHA256}, {"md5": MD5}, {"sha256": SHA256, "md5": MD5}])
def test_a_good_file_arrives_with_its_sum_and_its_lock(server, tmp_path, sums):
    assert got(tmp_path, registered(server, **sums)) == CONTENT
    assert (tmp_path / "set.fa.gz.sha256").read_text() == f"{SHA256}  set.fa.gz\n"
    lock = json.loads((tmp_path / "results" / "lock.json").read_text())
    assert (lock["name"], lock["sha256"], lock["bytes"]) == ("test_set", SHA256, len(CONTENT))
    assert not (tmp_path / "set.fa.gz.part").exists()


def test_a_file_that_is_there_is_not_asked_for_again(server, tmp_path):
    got(tmp_path, registered(server))
    asked = len(server.asked)
    assert got(tmp_path, registered(server)) == CONTENT
    assert len(server.asked) == asked


@pytest.mark.parametrize("sums", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"sha256": SHA256, "md5": "0" * 32}])
def test_a_wrong_sum_leaves_no_file(server, tmp_path, sums):
    said = refused(tmp_path, registered(server, **sums))
    algorithm = next(name for name, value in sums.items() if set(value) == {"0"})
    assert f"its {algorithm} is {SHA256 if algorithm == 'sha256' else MD5}, resources/references.tsv says 000" in said
    assert list(tmp_path.iterdir()) == []


def test_a_cut_connection_is_resumed_where_it_was_cut(server, tmp_path):
    server.cuts = [3000, 200]
    assert got(tmp_path, registered(server)) == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=3000-", "bytes=3200-"]


def test_a_later_call_goes_on_with_the_part_of_an_earlier_one(server, tmp_path):
    server.cuts = [1000] + [10] * (references.TRIES - 1)
    assert "the connection was cut after 10 of" in refused(tmp_path, registered(server))
    left = (tmp_path / "set.fa.gz.part").stat().st_size
    assert left == 1000 + 10 * (references.TRIES - 1)
    assert got(tmp_path, registered(server)) == CONTENT
    assert server.asked[-1][1] == f"bytes={left}-"


def test_a_server_without_ranges_sends_the_whole_again(server, tmp_path):
    server.cuts, server.ranges = [3000], False
    assert got(tmp_path, registered(server)) == CONTENT


@pytest.mark.parametrize("part", [b"something else", CONTENT + b"more", CONTENT])
def test_the_part_of_another_file_does_no_harm(server, tmp_path, part):
    (tmp_path / "set.fa.gz.part").write_bytes(part)
    assert got(tmp_path, registered(server)) == CONTENT


def test_a_part_is_not_trusted_where_no_sum_could_tell(server, tmp_path):
    (tmp_path / "set.fa.gz.part").write_bytes(b"something else")
    assert got(tmp_path, registered(server, sha256="")) == CONTENT
    assert server.asked[0][1] is None


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.busy = 2
    assert got(tmp_path, registered(server)) == CONTENT


def test_a_dead_link_gives_way_to_the_mirror_at_once(server, tmp_path):
    assert got(tmp_path, registered(server, "gone", mirror="mirror")) == CONTENT
    assert [path for path, _ in server.asked] == ["/gone", "/mirror"]


def test_two_dead_links_are_named_with_their_answers_and_the_way_out(server, tmp_path):
    said = refused(tmp_path, registered(server, "gone", mirror="gone_too"))
    assert f"cannot download test_set ({server.url('gone')}: HTTP 404 Not Found; {server.url('gone_too')}: HTTP" in said
    assert f"put the file at {tmp_path / 'set.fa.gz'} yourself, or give the path of a local file in the config" in said


def test_an_address_where_nobody_answers_is_named(server, tmp_path):
    reference = replace(registered(server), url="http://127.0.0.1:9/set.fa.gz")
    assert "http://127.0.0.1:9/set.fa.gz: [Errno 111] Connection refused; no mirror" in refused(tmp_path, reference)


def test_a_page_in_place_of_a_gzipped_file_is_refused_though_no_sum_is_known(server, tmp_path):
    server.content = b"<html>please log in</html>"
    assert "is not gzipped" in refused(tmp_path, registered(server, sha256=""))
    assert list(tmp_path.iterdir()) == []


def test_a_sum_nobody_knew_is_recorded_on_the_first_download_and_enforced_after(server, tmp_path):
    unknown = registered(server, sha256="")
    assert got(tmp_path, unknown) == CONTENT
    (tmp_path / "set.fa.gz").unlink()
    server.content = gzip.compress(b"another release", mtime=0)
    assert f"{tmp_path}/set.fa.gz.sha256 says {SHA256}" in refused(tmp_path, unknown)
    assert not (tmp_path / "set.fa.gz").exists()


def test_a_file_that_has_changed_is_refused(server, tmp_path):
    got(tmp_path, registered(server))
    (tmp_path / "set.fa.gz").write_bytes(gzip.compress(b"edited"))
    assert "is not test_set" in refused(tmp_path, registered(server))


def test_a_study_does_not_go_on_with_another_file_than_it_began_with(server, tmp_path):
    unknown = registered(server, sha256="")
    got(tmp_path, unknown)
    (tmp_path / "set.fa.gz").write_bytes(gzip.compress(b"another release"))
    (tmp_path / "set.fa.gz.sha256").unlink()
    assert f"this study has used test_set with {SHA256}" in refused(tmp_path, unknown)


def test_a_file_url_is_read_without_a_network(server, tmp_path):
    (tmp_path / "elsewhere.fa.gz").write_bytes(CONTENT)
    assert got(tmp_path, replace(registered(server), url=(tmp_path / "elsewhere.fa.gz").as_uri())) == CONTENT
    assert server.asked == []


def test_the_registry_is_whole():
    known = references.known()
    assert "silva_138.2" in known
    for name, row in known.items():
        assert re.fullmatch(r"[a-z0-9_.]+", name)
        assert row.kind in KINDS, name
        assert row.version, name
        assert row.licence, name
        assert row.citation, name
        assert re.fullmatch(r"https://\S+", row.url), name
        assert re.fullmatch(r"(https://\S+)?", row.mirror), name
        assert re.fullmatch(r"([0-9a-f]{64})?", row.sha256), name
        assert re.fullmatch(r"([0-9a-f]{32})?", row.md5), name
    assert len(references.by_file()) == len(known)
    assert {row.kind for row in known.values()} == KINDS


def test_the_default_of_the_config_is_registered():
    config = yaml.safe_load((references.ROOT / "config" / "config.yaml").read_text())
    assert references.known()[config["taxonomy"]["training_set"]].kind == "training set"


def test_names_become_paths_in_the_folder_and_paths_stay():
    assert references.resolve("rdp_16", "folder") == "folder/rdp_train_set_16.fa.gz"
    assert references.resolve("my/set.fa", "folder") == "my/set.fa"
    assert references.resolve(None, "folder") is None


def test_offline_takes_what_lies_in_the_folder(tmp_path):
    config = {"folder": str(tmp_path), "offline": True}
    with pytest.raises(InputError, match=r"set=rdp_16 would be downloaded, but references.offline is true: put https"):
        references.check("set", "rdp_16", ("training set",), config)
    (tmp_path / "rdp_train_set_16.fa.gz").touch()
    references.check("set", "rdp_16", ("training set",), config)
    references.check("set", "rdp_18", ("training set",), config | {"offline": False})


@pytest.mark.slow
def test_the_rule_downloads_once_and_checks_what_lies_there(server, tmp_path):
    repository, study = tmp_path / "repository", tmp_path / "study"
    study.mkdir()
    for name in ("taxoscape", "workflow", "config", "Snakefile", "resources/references.tsv"):
        target = repository / name
        target.parent.mkdir(exist_ok=True, parents=True)
        (shutil.copytree if (references.ROOT / name).is_dir() else shutil.copy)(references.ROOT / name, target)
    registry = repository / "resources" / "references.tsv"
    header = next(line for line in registry.read_text().splitlines() if line.startswith("name\t"))
    row = "\t".join(getattr(registered(server), column) for column in header.split("\t"))
    registry.write_text(f"{registry.read_text()}{row}\n")

    path, lock = study / "resources/downloads/set.fa.gz", study / "results/references/set.fa.gz.json"

    def run() -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", str(repository / "Snakefile")]
        command += ["--directory", str(study), *(str(file.relative_to(study)) for file in (path, lock))]
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)

    server.cuts = [20_000]
    done = run()
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == CONTENT
    assert json.loads(lock.read_text())["sha256"] == SHA256
    lock.unlink()  # as in the folder of another study
    server.asked.clear()
    assert run().returncode == 0
    assert lock.exists()
    assert path.read_bytes() == CONTENT
    lock.unlink()
    path.write_bytes(b"edited")
    done = run()
    assert done.returncode != 0
    assert "error: resources/downloads/set.fa.gz is not test_set" in done.stderr
    assert path.read_bytes() == b"edited"
    assert server.asked == []


def test_the_sums_of_the_registry_are_those_of_the_real_file(data, tmp_path):
    path = data / "fastq_dadaist2" / "original" / "rdp_train_set_16.fa.gz"
    row = references.known()["rdp_16"]
    assert references.digests(path) == {"sha256": row.sha256, "md5": row.md5}
