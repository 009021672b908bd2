"""Builds the distribution of the client alone: what serving.client imports, and no more.

bin/client.toml describes it. The modules are copied to a folder that is removed afterwards.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from components.code_version import RELEASE, checkout_version  # noqa: E402 - needs the path
from components.source_digest import source_files  # noqa: E402

MODULES = ("serving.client", "serving.client.aio", "serving.client.grpc", "serving.client.rest")
OTHERS = ("LICENSE", "requirements/client.in", "requirements/dicom.in")


def fill(folder: Path) -> None:
    """Puts into a folder what is built.

    Args:
        folder: An empty folder.
    """
    for file in (*source_files(*MODULES), *(ROOT / name for name in OTHERS)):
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    shutil.copyfile(ROOT / "bin" / "client.toml", folder / "pyproject.toml")
    (folder / "VERSION").write_text(checkout_version() or RELEASE, encoding="utf-8")
    manifest = "include VERSION requirements/*.in\n"
    (folder / "MANIFEST.in").write_text(manifest, encoding="utf-8")


def main() -> None:
    """Builds the source distribution, and of that the wheel."""
    parser = argparse.ArgumentParser(prog="bin/client_wheel.py", description=__doc__)
    parser.add_argument("--outdir", type=Path, default=Path("dist"), help="where both are put")
    outdir = parser.parse_args().outdir.absolute()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(outdir), folder]
        sys.exit(subprocess.run(build, check=False).returncode)


if __name__ == "__main__":
    main()
