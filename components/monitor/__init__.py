"""Monitor: what a model is asked in service, compared with what it was trained on."""
