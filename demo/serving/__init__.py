"""A class at once: who runs and who waits, what is kept for all, and where the work is done."""
