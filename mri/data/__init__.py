"""`mri data`: make, fetch and look at image folders."""
