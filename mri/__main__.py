"""`python -m mri` is the `mri` command."""

from mri.main import main

main()
