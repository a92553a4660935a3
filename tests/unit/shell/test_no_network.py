"""Nothing but `download` of a URL and `base` of a hub id opens a connection: tried, not trusted."""

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import artifacts
from pipeline.model.base.tokenizer import train_tokenizer
from stages import (
    base,
    compare,
    download,
    finetune,
    floors,
    meta_train,
    report,
    score,
    tasks,
    train,
)
from stages.p2bot import p2_receiver, p2_selfplay
from stages.shell import console
from tests.conftest import LINES
from tests.faults.toy import params_of_a_toy
from tests.support.processes import run
from tests.support.toy_project import write_params


CALLS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
REFUSED = Path("refused.txt")
LISTS = {
    "trained": ["transfer", "p2bot_transmitter"],
    "meta_trained": ["in_place"],
    "self_played": ["p2bot"],
    "scored": ["transfer", "in_place"],
}


Command = tuple[Callable[..., None], *tuple[Any, ...]]


def without_network(*commands: Command) -> None:
    """Run commands in a process that may open no connection to any machine, itself included."""

    def refuse(event: str, details: tuple[Any, ...]) -> None:
        if event not in CALLS or getattr(details[0], "family", None) == socket.AF_UNIX:
            return
        with REFUSED.open("a") as file:
            file.write(f"{event} {details}\n")
        raise RuntimeError(f"{event} is forbidden")

    sys.addaudithook(refuse)
    with console._one_line_errors():
        for command, *arguments in commands:
            command(*arguments)


def refused_in(folder: Path) -> list[str]:
    path = folder / REFUSED
    return path.read_text().splitlines() if path.is_file() else []


@pytest.mark.slow
def test_no_stage_of_a_whole_run_opens_a_connection(tmp_path):
    write_params(tmp_path, params_of_a_toy() | LISTS)
    commands: list[Command] = [(download.download,), (tasks.tasks,), (base.base,)]
    commands += [(train.train, name, 0) for name in LISTS["trained"]]
    commands += [(meta_train.meta_train, "in_place", 0), (p2_receiver.p2_receiver, 0)]
    commands += [(p2_selfplay.p2_selfplay, "p2bot", 0)]
    for stage in (finetune.finetune, score.score):
        commands += [(stage, name) for name in LISTS["scored"]]
    commands += [(floors.floors,), (compare.compare,), (report.report,)]
    code = run(without_network, *commands, folder=tmp_path)
    assert (code, refused_in(tmp_path)) == ([0], [])
    assert (tmp_path / artifacts.REPORT / "index.html").is_file()


def test_a_gguf_file_beside_an_adapter_of_a_hubs_base_opens_no_connection(tmp_path):
    gguf_llama = pytest.importorskip("tests.support.gguf_llama", reason="gguf is not installed")
    pytest.importorskip("accelerate")
    tokenizer = train_tokenizer(LINES * 4, 300)
    gguf_llama.write_gguf(tmp_path / "m.gguf", gguf_llama.tiny_llama(len(tokenizer)), tokenizer)
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "somebody/else"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    params = params_of_a_toy()
    params["base"]["source"] = "m.gguf"
    write_params(tmp_path, params)
    code = run(without_network, (base.base,), folder=tmp_path)
    assert (code, refused_in(tmp_path)) == ([0], [])


def test_a_connection_is_seen(tmp_path):
    params = params_of_a_toy()
    params["data"] |= {"source": "http://127.0.0.1:9/x.tgz", "sha256": "0" * 64, "pretrain": None}
    write_params(tmp_path, params)
    code = run(without_network, (download.download,), folder=tmp_path)
    assert code != [0]
    assert "socket." in refused_in(tmp_path)[0]
