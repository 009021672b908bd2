"""How sure a model is, and of which images it should say nothing; fitted after training."""
