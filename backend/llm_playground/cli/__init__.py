"""The command ``llmp``."""
