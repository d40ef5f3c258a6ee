"""Service accounts: users that programs alone use, with API keys and OAuth clients."""
