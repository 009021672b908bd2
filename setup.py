"""Builds the brain-mri-pipeline distribution.

What it depends on stands in requirements/*.in, one file for the base and one for each extra; the
lock file (requirements/lock.txt) is made from the same files.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
PACKAGES = (
    "mri",
    "kubeflow",
    "pipeline",
    "serving",
    "components",
    "samples",
    "imaging",
    "schema",
)
EXTRAS = ("kubeflow", "web", "dicom", "sample", "dev", "gpu")


def requirements(name: str) -> list[str]:
    """Returns the requirements in requirements/NAME.in, without comments."""
    lines = (HERE / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def long_description() -> str:
    """Returns the README, which a build from part of the tree may lack."""
    readme = HERE / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


setup(
    name="brain-mri-pipeline",
    version="0.1.0",
    description="A TFX pipeline from a folder of brain MRI images to a served, reviewed classifier",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    keywords="tfx tensorflow mri medical-imaging vgg16 kubeflow machine-learning-pipeline",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Healthcare Industry",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")]
    ),
    package_data={
        "": [
            "**/*.config",
            "**/*.css",
            "**/*.html",
            "**/*.jinja",
            "**/*.js",
            "**/*.json",
            "**/*.pbtxt",
            "**/*.svg",
            "**/*.yaml",
        ]
    },
    install_requires=requirements("base"),
    extras_require={name: requirements(name) for name in EXTRAS},
    entry_points={"console_scripts": ["mri = mri.main:main"]},
    zip_safe=False,
)
