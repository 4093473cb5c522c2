"""A PostgreSQL server of the tests' own, in a temporary folder on a Unix socket and loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg

__all__ = ["PASSWORD", "USER", "Server", "running_server", "why_no_server"]

USER = "tester"
PASSWORD = "secret-of-the-server"
_TIMEOUT = 60
# Debian keeps the programs out of the search path, by version.
_DEBIAN = Path("/usr/lib/postgresql")
# Users of the system that can run a server, the first one that is present.
_SERVER_USERS = ("postgres", "nobody")


def why_no_server() -> str:
    """Return why no server can be started here; empty if one can."""
    if _programs() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and not _users():
        return "PostgreSQL refuses to run as root, and there is no other user to run it"
    return ""


class Server:
    """A server; its databases end with it."""

    def __init__(self, folder: Path) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._numbers = count(1)
        self.port = _free_port()

    def create(self) -> None:
        """Create the files of the server, which is not started."""
        password = self._folder / "password"
        password.write_text(PASSWORD)
        self._give(self._folder, password)
        self._run(
            *("initdb", "-D", str(self._data), "-U", USER, "-E", "UTF8", "--locale=C"),
            *("--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"),
        )

    def start(self) -> None:
        """Start; returns when it accepts connections."""
        # Without waiting for the disk, which takes minutes for the files of a hundred databases
        # after a crash of the server.  The tests kill processes, not the machine.
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder} -c fsync=off"
        self._run(
            "pg_ctl", "-D", str(self._data), "-w", "-l", str(self._log), "-o", options, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop: ``fast`` ends all connections, ``immediate`` is like a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def new_database(self) -> str:
        """Create an empty database and return its address, with the password."""
        name = f"store_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str = "postgres", user: str = USER, password: str = PASSWORD) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}:{quote(password)}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the administrator and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _give(self, *paths: Path) -> None:
        if os.geteuid() == 0:
            for path in paths:
                shutil.chown(path, _users()[0])

    def _run(self, program: str, *arguments: str) -> None:
        user = _users()[0] if os.geteuid() == 0 else None
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=user,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server; its files are removed at the end."""
    # Not in the folder of pytest, which the server's user may not enter.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        server = Server(Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def _programs() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    if _DEBIAN.is_dir():
        folders += sorted((path / "bin" for path in _DEBIAN.iterdir()), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _users() -> list[str]:
    """Return the names of users that can run a server in the place of root."""
    present = {user.pw_name for user in pwd.getpwall()}
    return [name for name in _SERVER_USERS if name in present]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
