"""VGG16's published weights: where they are had from, read, checked and applied."""
