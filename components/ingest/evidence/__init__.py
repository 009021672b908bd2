"""Evidence: which looks the training images have, and which classes were seen in each of them."""
