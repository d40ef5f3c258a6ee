"""E-mail domains a tenant has proved to be its own."""
