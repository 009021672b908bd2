"""Builds the brain-mri-pipeline distribution, which pyproject.toml describes."""

from setuptools import setup

setup()
