"""What the pipeline is and how it runs: configuration, graph, launcher, runner and command."""
