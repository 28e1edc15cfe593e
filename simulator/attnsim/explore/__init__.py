"""Design-space exploration: studies over values of any spec, evaluated in batches, to fronts that a person can read."""
