"""The report: one page that a reviewer can decide from, its figures, and the model card."""
