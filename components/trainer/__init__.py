"""Trainer: VGG16 transfer learning and the SavedModel that is served."""
