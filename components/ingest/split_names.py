"""The names of splits, ours and those that people give them."""

SPLITS = ("train", "eval", "test")

SPLIT_OF = {
    "train": "train",
    "training": "train",
    "val": "eval",
    "valid": "eval",
    "validation": "eval",
    "eval": "eval",
    "test": "test",
    "testing": "test",
}
"""By a folder's name or a table's word, in lower case."""
