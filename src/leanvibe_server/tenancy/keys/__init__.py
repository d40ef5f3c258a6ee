"""The data keys of a tenant: shown, rotated, wrapped anew, destroyed."""
