"""Design-space exploration: studies over values of any spec, their fronts, and the search for mappings."""
