"""LeanVibe Enterprise: identity, billing, webhooks and a development engine behind one API."""

__version__ = "0.1.0"
