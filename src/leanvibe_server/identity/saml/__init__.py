"""SAML 2.0: this product as a service provider of its tenants' identity providers."""
