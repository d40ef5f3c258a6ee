"""Statements about groups."""
