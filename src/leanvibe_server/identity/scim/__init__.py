"""Provisioning by SCIM 2.0: people and groups kept in step with an identity provider."""
