"""Installs the packages of a lock file into the virtual environment that runs this file.

Only the standard library and pip are there at this point. pip fetches uv at the hash in the lock
file, and uv, which takes a fraction of pip's time, installs the rest. pip's settings hold for both:
uv reads none of pip's variables and files, so each is handed to it under uv's own name.

    python install.py --cache DIR [--only REQUIREMENTS] LOCK [LOCK...]
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

# pip's setting -> uv's variable, and what uv wants between the values that pip parts by space.
_UV_NAMES: dict[str, tuple[str, str]] = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "retries": ("UV_HTTP_RETRIES", " "),
}


def pip_settings() -> dict[str, str]:
    """Returns what pip has been told by its configuration files and the PIP_* variables.

    A setting for `pip install` outranks a global one, and a variable outranks both, as in pip.
    """
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            if line.startswith(section):
                setting, _, value = line.removeprefix(section).partition("=")
                found[setting] = str(ast.literal_eval(value))
    return found


def uv_environment(settings: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that make uv fetch from where pip would.

    Args:
        settings: pip's settings, as pip_settings() returns them.
        environ: The variables that are set already. They win where they speak to uv itself.
    """
    result = dict(environ)
    for setting, value in settings.items():
        if setting in _UV_NAMES and value.strip():
            name, separator = _UV_NAMES[setting]
            if name == "SSL_CERT_FILE":  # pip's own setting outranks the general variable
                result[name] = value
            else:
                result.setdefault(name, separator.join(value.split()))
    # pip looks for the best match in all indexes alike; the hashes make that safe.
    result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    result.setdefault("UV_SYSTEM_CERTS", "true")
    result.setdefault("UV_HTTP_TIMEOUT", "180")
    return result


def uv_requirement(lock: str) -> str:
    """Returns the lines of a lock file that pin uv, with their hashes.

    Raises:
        ValueError: The lock file does not pin uv.
    """
    found = re.search(r"^uv==(.*\\\n)*.*\n", lock, re.MULTILINE)
    if found is None:
        raise ValueError(
            "The lock file does not pin uv: add it to a file in requirements/, make lock."
        )
    return found[0]


def keep_path_safe() -> None:
    """Teaches Python 3.10 in this environment what PYTHONSAFEPATH means."""
    if sys.version_info >= (3, 11):
        return
    packages = Path(sysconfig.get_path("purelib"))
    shutil.copyfile(Path(__file__).with_name("safe_path.py"), packages / "safe_path.py")
    (packages / "safe_path.pth").write_text("import safe_path; safe_path.activate()\n", "utf-8")


def install(locks: list[Path], cache: Path, only: Path | None = None) -> None:
    """Installs what the lock files name, each file checked by its hash.

    Args:
        locks: The lock files. uv is pinned in the first.
        cache: Where uv keeps what it has unpacked. On the environment's own file system it costs
            no space of its own, as the files are hard links, and an environment made after the
            lock file has changed takes seconds.
        only: A file of requirements; what it asks for joins what is installed already. None: all
            that is locked, and nothing else stays.

    Raises:
        subprocess.CalledProcessError: pip or uv failed; it has printed why.
    """
    if not any(lock.read_text(encoding="utf-8").strip() for lock in locks):
        return
    with tempfile.TemporaryDirectory() as directory:
        requirement = Path(directory, "uv.txt")
        requirement.write_text(uv_requirement(locks[0].read_text(encoding="utf-8")), "utf-8")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
            + ["--no-cache-dir", "--only-binary", ":all:", "--requirement", str(requirement)],
            check=True,
        )
    uv = Path(sys.executable).with_name("uv")
    environment = uv_environment(pip_settings(), os.environ)
    environment.setdefault("UV_CACHE_DIR", str(cache))
    # Some machines forbid Python to write bytecode; a first import would take that much longer
    # at each start, so all of it is compiled now.
    what = ["sync", "--require-hashes", *map(str, locks)]
    if only is not None:
        # uv checks the hashes of constraints, too.
        constraints = [part for lock in locks for part in ("--constraint", str(lock))]
        what = ["install", "--requirement", str(only), *constraints]
    flags = ["--compile-bytecode", "--no-progress", "--python", sys.executable]
    subprocess.run(
        [str(uv), "pip", *what, *flags],
        check=True,
        env=environment,
        cwd=locks[0].parent,  # uv would read the settings of a project around the caller
    )


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Install a lock file into this environment.")
    parser.add_argument("--cache", type=Path, required=True, help="where uv keeps its files")
    parser.add_argument(
        "--only", type=Path, help="a file of requirements: no more than it asks for"
    )
    parser.add_argument("lock", type=Path, nargs="+", help="a lock file with hashes")
    arguments = parser.parse_args()
    try:
        keep_path_safe()
        install(arguments.lock, arguments.cache, arguments.only)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode or 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
