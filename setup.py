"""Builds the brain-mri-pipeline distribution, which pyproject.toml describes.

A build from a checkout names its commit in the version, and one from a source distribution has the
version of that.
"""

import sys
from email.parser import HeaderParser
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from components.code_version import RELEASE, checkout_version  # noqa: E402 - needs the path

information = ROOT / "PKG-INFO"
if information.is_file():
    version = HeaderParser().parsestr(information.read_text(encoding="utf-8"))["Version"]
else:
    version = checkout_version() or RELEASE

setup(version=version)
