"""Generators: one model a file, found by name through ``core.registry``."""
