"""The `mri` command: one module a command, found when it is asked for."""
