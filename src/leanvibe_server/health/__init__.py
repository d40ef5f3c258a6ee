"""How the service is: signs of life for machines, and what callers may know of it."""
