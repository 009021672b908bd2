"""Images to begin with: the synthetic sample, and the public data set that is fetched."""
