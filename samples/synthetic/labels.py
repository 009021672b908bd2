"""The classes and splits of the synthetic sample, named as the Kaggle set names its folders."""

from typing import Literal

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
Split = Literal["Training", "Testing"]
SPLITS: tuple[Split, Split] = ("Training", "Testing")
PREFIXES: dict[Split, str] = {"Training": "Tr", "Testing": "Te"}
"""How file names of a split begin."""
