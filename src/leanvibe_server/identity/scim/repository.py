"""Statements about scim."""
