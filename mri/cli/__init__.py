"""The `mri` command: its flags. What a command does is in mri."""
