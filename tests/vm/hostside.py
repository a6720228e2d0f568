# SPDX-License-Identifier: Apache-2.0
"""What the guest's network programs talk to on this machine: a web server, and a private sshd.

Both listen on the loopback interface only; a model's user network shows that as 10.0.2.2.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""Not among our packages: installing it would start a service."""
_START_S = 10.0

_SSHD_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""

_LOG_IN = """\
umask 077
cat >/tmp/key <<'END'
{key}END
log_in() {{
    ssh -i /tmp/key -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \\
        -o LogLevel=ERROR {user}@10.0.2.2 "$@"
}}
"""


def md5(data: bytes) -> str:
    """What ``md5sum`` says of it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class WebServer:
    """Serves a folder's files, and takes what is posted.

    Attributes:
        port: on the loopback interface.
        posted: what was posted, in order.
    """

    port: int
    posted: list[bytes] = field(default_factory=list)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, posted: list[bytes], directory: str) -> None:
        self._posted = posted
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_POST(self) -> None:
        self._posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def web_server(folder: Path) -> Iterator[WebServer]:
    """Run a web server for the files in a folder."""
    posted: list[bytes] = []
    handler = partial(_Handler, posted=posted, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield WebServer(server.server_port, posted)
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def ssh_server(folder: Path) -> Iterator[str]:
    """Run an sshd with keys of its own.

    Yields:
        For a shell in the guest, which does not see our temporary files: the definition of
        ``log_in COMMAND``, which runs a command as this user.
    """
    assert SSHD is not None
    for name in ("host_key", "user_key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(_SSHD_CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it goes when it drops root
    with subprocess.Popen([SSHD, "-D", "-q", "-f", str(config)]) as server:
        try:
            _await_listener(port)
            key = (folder / "user_key").read_text()
            yield _LOG_IN.format(key=key, port=port, user=getpass.getuser())
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_listener(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.1)
        else:
            return
