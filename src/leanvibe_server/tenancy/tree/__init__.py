"""Organisations below organisations: to any depth, without a cycle, read and run from above."""
