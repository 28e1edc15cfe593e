"""Studies: spaces, sweeps and searches over what a user may choose."""
