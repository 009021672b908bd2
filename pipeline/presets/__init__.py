"""Presets: plain data, one YAML file each."""
