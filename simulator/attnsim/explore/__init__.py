"""Exploring designs: many hardware and mapping parameters at once, each simulated as a single run would be."""
