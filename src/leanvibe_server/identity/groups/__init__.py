"""Groups of people, which a provisioning client may keep, and the roles they give."""
