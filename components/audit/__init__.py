"""Which labels of a folder are probably wrong."""
