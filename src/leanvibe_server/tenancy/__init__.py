"""Who the tenants are: organisations, their status, plan and region."""
