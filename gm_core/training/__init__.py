"""Training recipes: `python -m gm_core.training NAME --preset cpu|gpu`."""
