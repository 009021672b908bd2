"""Names of the network's layers that more than one module speaks of."""

FEATURE_LAYER = "block4_pool"
"""Whose output, pooled over the image, tells what kind of picture it is."""

LOGITS_LAYER = "probabilities"
"""The dense layer whose softmax is the answer."""

EXPLAINED_LAYER = "block4_conv3"
"""Whose output heatmaps are made of; docs/confidence.md says why."""
