"""GPUs of a machine: every job has its own while there are enough, and a job that dies gives its own back."""

import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
import yaml
from conftest import ROOT

from taxoscape.errors import InputError
from taxoscape.learning import device

JOB = """
import sys, time
from pathlib import Path
from taxoscape.learning import device
print(device.claim(["one", "two"], Path(sys.argv[1])), flush=True)
time.sleep(60)
"""


def start(folder) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", JOB, folder], stdout=subprocess.PIPE, text=True)


def test_jobs_take_different_gpus_and_wait_for_one_that_is_freed_by_a_kill(tmp_path):
    jobs = [start(tmp_path / "locks")]
    try:
        assert jobs[0].stdout.readline() == "0\n"
        jobs.append(start(tmp_path / "locks"))
        assert jobs[1].stdout.readline() == "1\n"
        jobs.append(start(tmp_path / "locks"))
        assert "all 2 GPUs are taken" in jobs[2].stdout.readline()
        time.sleep(0.5)
        assert jobs[2].poll() is None
        for job in jobs[:2]:
            job.kill()
        assert jobs[2].stdout.readline() in ("0\n", "1\n")
    finally:
        for job in jobs:
            job.kill()
            job.wait()
            job.stdout.close()


def test_auto_is_a_gpu_that_is_free_and_else_the_cpu(tmp_path, monkeypatch, capsys):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda card: SimpleNamespace(uuid=f"card{card}"))
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "HELD", [])
    assert device.placed({"device": "auto", "steps": 3}, "diffusion.device") == {"device": "cuda", "steps": 3}
    assert chosen == [0]
    held = device.HELD.copy()
    assert device.here("auto", "aam.device") == "cpu"
    assert "aam.device is auto: on the CPU, no GPU is free here" in capsys.readouterr().out
    for lock in held:
        lock.close()
    assert device.here("auto", "aam.device") == "cuda"
    for lock in device.HELD:
        lock.close()


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_device_that_is_named_is_taken_as_it_is(name):
    assert device.here(name, "aam.device") == name
    assert not device.HELD


def test_every_rule_whose_script_may_run_on_a_gpu_asks_for_one():
    config, found = yaml.safe_load((ROOT / "config/config.yaml").read_text()), []
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        if "device" not in config.get(path.stem, {}):
            continue
        rules = re.split(r"^ *rule (\w+):", path.read_text(), flags=re.M)
        for name, text in zip(rules[1::2], rules[2::2], strict=True):
            if "settle(" in (ROOT / "workflow/scripts" / f"{name}.py").read_text():
                found.append(name)
                assert f'gpu=int(config["{path.stem}"]["device"] == "cuda")' in text, name
    assert {"pretrain_encoder", "explain_predictions", "train_diffusion", "generate_asked"} <= set(found)


def test_threads_and_algorithms_are_settled_on_the_cpu():
    device.settle("cpu", 1, "device")
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert not device.HELD


def test_auto_without_a_gpu_is_the_cpu(capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert device.here("auto", "diffusion.device") == "cpu"
    assert "on the CPU" in capsys.readouterr().out


def test_an_absent_gpu_is_told():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InputError, match=r"diffusion\.device is cuda.*set it to cpu"):
        device.settle("cuda", 1, "diffusion.device")
