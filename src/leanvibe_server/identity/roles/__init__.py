"""Roles: those every tenant has, and those it makes itself."""
