"""docs/install.md is true: its blocks for etcd, TLS and settings run for three members; every command parses."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
import typer

from retia.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NET = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
MEMBERS = {f"hv{n}": f"{NET}.{n}" for n in (1, 2, 3)}


def blocks(kind: str) -> list[str]:
    text = (ROOT / "docs/install.md").read_text()
    return re.findall(rf"<!-- run: {kind} -->\n```sh\n(.*?)```", text, re.S)


class Host:
    """One host's files below a directory of its own; the page's commands run with their paths there."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name, self.dir = name, directory
        for place in ("etc/default", "etc/etcd", "etc/retia/pki", "var/lib/etcd"):
            (directory / place).mkdir(parents=True)

    def run(self, script: str) -> str:
        script = re.sub(r"(?<![\w$}])/(etc|var)/", rf"{self.dir}/\1/", script)
        done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=False,
                              cwd=self.dir, env=self.environment())  # fmt: skip
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout

    def environment(self) -> Mapping[str, str]:
        members = " ".join(f"{name}={address}" for name, address in MEMBERS.items())
        path = f"{Path(sys.executable).parent}:/usr/sbin:{os.environ['PATH']}"
        own = {"NAME": self.name, "ADDRESS": MEMBERS[self.name], "MEMBERS": members, "PATH": path}
        return {**os.environ, **own, "RETIA_CONFIG": str(self.dir / "etc/retia/retia.yaml")}

    def start_etcd(self) -> subprocess.Popen[bytes]:
        lines = (self.dir / "etc/default/etcd").read_text().split()
        settings = dict(line.split("=", 1) for line in lines)
        with (self.dir / "etcd.log").open("wb") as log:
            return subprocess.Popen(["etcd"], env={**self.environment(), **settings}, stdout=log, stderr=log)


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[list[Host]]:
    hosts = [Host(name, directory / name) for name in MEMBERS]
    for script in blocks("first"):
        hosts[0].run(script)
    for host in hosts:
        for name in ("ca.crt", f"{host.name}.crt", f"{host.name}.key"):
            data = (hosts[0].dir / "etc/retia/pki" / name).read_bytes()
            for place in ("etc/retia/pki", "etc/etcd"):
                (host.dir / place / name).write_bytes(data)
        for script in blocks("each"):
            host.run(script)
    children = [host.start_etcd() for host in hosts]
    try:
        yield hosts
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait(20)


def test_three_members_with_tls_as_the_page_says(tmp_path: Path) -> None:
    assert len(blocks("first")) == 2 and len(blocks("each")) == 2
    health, status, network = blocks("check")
    with cluster(tmp_path) as hosts:
        end = time.monotonic() + 30
        while True:
            try:
                hosts[2].run(health)
                break
            except AssertionError:
                assert time.monotonic() < end, (hosts[0].dir / "etcd.log").read_text()[-2000:]
                time.sleep(0.2)
        assert "0 of 0 ports live on a host" in hosts[1].run(status)
        said = hosts[2].run(network)
        assert "4 created" in said and "web/web1" in said and "10.0.1.12" in said
        stranger = hosts[0].dir / "etc/retia/retia.yaml"
        stranger.write_text(re.sub(r"etcd_(cert|key): .*\n", "", stranger.read_text()))
        with pytest.raises(AssertionError, match=r"does not answer|refuse|certificate|returncode=[56]"):
            hosts[0].run(status)


def commands() -> list[tuple[str, str]]:
    """Every line of a shell block, and every `code`, that begins with `retia`."""
    found = []
    for page in PAGES:
        text = page.read_text()
        inside = re.findall(r"```[a-z]*\n(.*?)```", text, re.S)
        lines = [line.strip().removeprefix("$ ") for block in inside for line in block.splitlines()]
        lines += re.findall(r"`(retia [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        found += [(page.name, line) for line in lines if re.match(r"retia [a-z-]", line)]
    return sorted(set(found))


def resolve(words: list[str]) -> None:
    """Follow the words down the commands, and check the options: raises click's own errors. Runs nothing."""
    command: click.Command = typer.main.get_command(app)
    context = click.Context(command, info_name="retia")
    while hasattr(command, "commands"):
        while words and words[0].startswith("-"):
            words = words[2:]
        if not words or words[0] not in command.commands:
            break
        command, words = command.commands[words[0]], words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h", "--version"}
    if command.name == "exec":
        return
    for word in words:
        assert not word.startswith("-") or word.split("=")[0] in known, f"{command.name} has no option {word}"
    if hasattr(command, "commands"):
        assert not words or words[0].isupper() or "|" in words, f"{command.name} has no command {words[0]}"


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text)
def test_every_command_of_the_pages_exists(page: str, line: str) -> None:
    line = re.split(r"\s+#|\s\|\s(?=[a-z])| ──", line)[0]
    resolve(shlex.split(line)[1:])


@pytest.mark.parametrize("line", ["retia aply -f x", "retia apply --nope", "retia store walk", "retia status --wach"])
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        resolve(shlex.split(line)[1:])
