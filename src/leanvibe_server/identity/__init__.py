"""People and keys: accounts, sign-in, sessions, API keys, and the gate every caller passes."""
