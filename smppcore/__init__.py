"""The SMPP protocol engine: a sans-I/O core and a thin trio shell; it knows nothing of the bridge."""
