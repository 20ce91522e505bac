"""Side-by-side measurements, one file for each claim: ``make bench``."""
