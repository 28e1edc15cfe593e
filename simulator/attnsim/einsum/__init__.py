"""The cascade language: text -> syntax tree -> checks, printed form, values.

`build.parse_cascade` reads, `check` judges, `printer` writes, `evaluate` runs on numpy arrays, `formulas` say what
the values must be. `ast` is the tree that the rest of attnsim works on; `operators` is the one table of operators.
"""
