"""What each command of `mri` does, once its flags are read."""
