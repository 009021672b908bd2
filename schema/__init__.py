"""The curated TFDV schema of ingest's Examples."""

from pathlib import Path

SCHEMA_FILE = Path(__file__).with_name("schema.pbtxt")
