"""Identity providers of a tenant, and the people who come by them."""
