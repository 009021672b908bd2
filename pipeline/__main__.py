"""`python -m pipeline` is the `mri` command."""

from pipeline.cli import main

main()
