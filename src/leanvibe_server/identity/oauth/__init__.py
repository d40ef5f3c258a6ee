"""The token endpoint: access tokens for service accounts by client credentials."""
