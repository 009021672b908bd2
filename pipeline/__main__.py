"""`python -m pipeline` is the `mri` command."""

from pipeline.cli.main import main

main()
