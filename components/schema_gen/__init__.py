"""SchemaGen: the curated schema, for the classes that are configured."""
