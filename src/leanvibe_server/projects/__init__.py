"""Repositories the engine may work on, and how it may."""
