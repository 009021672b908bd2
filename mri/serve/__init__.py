"""`mri serve`: the pushed model behind a server."""
