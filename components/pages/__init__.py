"""Pages that people read: one frame, one look, one way to draw; hostile text is harmless."""
