"""Robustness: the same images in other guises, to see whether the model looks at the tumour."""
