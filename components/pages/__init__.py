"""Pages that people read: one look, and hostile text made harmless."""
