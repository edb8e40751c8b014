"""Two replicas of `mlbridge serve` behind the proxy of `deploy/`, with the commands of the manifests: one is lost."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from browser import free_port
from dbt_host import ROOT, Host

DEPLOY = ROOT / "deploy"
TOKEN = "a-token"
MODEL = "basket"
CLIENTS = 4


@contextmanager
def started_replica(host: Host, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as the Deployment starts it until the block ends; only its port is its own."""
    deployment = yaml.safe_load((DEPLOY / "kubernetes" / "serve.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    program, *options = container["args"]
    line = [str(Path(sys.executable).with_name(program)), *options, "--port", str(port)]
    environment = {**os.environ, "MLBRIDGE_SERVE_TOKENS": TOKEN}
    with subprocess.Popen(line, cwd=host.path, stderr=subprocess.DEVNULL, env=environment) as process:
        yield process
        process.kill()


class Proxy:
    """HAProxy with the project's own configuration: addresses stand where its resolver would find the replicas."""

    def __init__(self, folder: Path, port: int, replicas: list[int]) -> None:
        self._folder, self._socket = folder, folder / "admin.sock"
        servers = "\n".join(f"    server r{number} 127.0.0.1:{each}" for number, each in enumerate(replicas))
        text = (DEPLOY / "haproxy.cfg").read_text()
        text, changed = re.subn(r"^    server-template .*$", servers, text, flags=re.MULTILINE)
        assert changed == 1
        text = text.replace("bind :8080", f"bind 127.0.0.1:{port}")
        self._text = f"global\n    stats socket {self._socket}\n{text}"

    def __enter__(self) -> Proxy:
        file = self._folder / "haproxy.cfg"
        file.write_text(self._text)
        self._process = subprocess.Popen(["/usr/sbin/haproxy", "-f", str(file)], stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self, *states: str) -> None:
        """Wait until the replicas are in these states, UP or DOWN."""
        end, found = time.monotonic() + 120, self._states()
        while found != states:
            assert time.monotonic() < end, found
            time.sleep(0.05)
            found = self._states()

    def _states(self) -> tuple[str, ...]:
        with socket.socket(socket.AF_UNIX) as asked:
            try:
                asked.connect(str(self._socket))
            except OSError:
                return ()
            asked.sendall(b"show stat\n")
            text = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return tuple(each["status"].split()[0] for each in rows if re.fullmatch(r"r\d+", each["svname"]))


class Load:
    """Clients that ask one after the other until they are told to end; counts the statuses that they were answered."""

    def __init__(self, address: str, body: bytes) -> None:
        self._address, self._body = address, body
        self.answers: Counter[tuple[int, bytes]] = Counter()
        self._end, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for each in self._threads:
            each.join()

    def go_on_for(self, requests: int) -> None:
        """Wait until so many more requests have been answered."""
        aim = self.answers.total() + requests
        while self.answers.total() < aim:
            time.sleep(0.02)

    def _ask(self) -> None:
        while not self._end.is_set():
            answer = ask(self._address, self._body)
            with self._lock:
                self.answers[answer] += 1
            time.sleep(0.01)  # the replica that starts needs the processor as well


def ask(address: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Return the status and the body of an answer; status 0 where there is none."""
    request = urllib.request.Request(address, body, {"authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


@pytest.mark.slow
def test_no_request_is_lost_with_a_replica(shop: Host, tmp_path: Path) -> None:
    port, first_port, second_port = free_port(), free_port(), free_port()
    address = f"http://127.0.0.1:{port}"
    with ExitStack() as running:

        def replica(port: int) -> subprocess.Popen[bytes]:
            return running.enter_context(started_replica(shop, port))

        first, second = replica(first_port), replica(second_port)
        proxy = running.enter_context(Proxy(tmp_path, port, [first_port, second_port]))
        proxy.wait("UP", "UP")
        facts = json.loads(ask(f"{address}/v2/models/{MODEL}")[1])["parameters"]
        body = json.dumps({"rows": [dict.fromkeys(each["name"] for each in facts["features"])]}).encode()
        expected = ask(f"{address}/predict/{MODEL}", body)
        assert expected[0] == 200
        with Load(f"{address}/predict/{MODEL}", body) as load:
            load.go_on_for(100)
            first.kill()
            load.go_on_for(100)
            proxy.wait("DOWN", "UP")
            # A new one takes its place, and the other is told to end, as when a new image is rolled out.
            replica(first_port)
            proxy.wait("UP", "UP")
            second.send_signal(signal.SIGTERM)
            load.go_on_for(100)
            assert second.wait(timeout=60) == 0
            load.go_on_for(100)
        assert set(load.answers) == {expected}, load.answers
