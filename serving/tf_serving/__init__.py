"""TensorFlow Serving in production: its configuration files, and what runs beside it."""
