"""What a person should know of a folder of images before trusting anything trained on it."""
