"""Spec files: YAML text to typed specs, with every problem named by line; the only code that sees YAML."""
