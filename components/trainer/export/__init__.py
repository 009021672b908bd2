"""What leaves the Trainer: the graph that is served, its explanations, and warm-up requests."""
