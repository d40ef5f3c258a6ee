"""What a tenant did use: counters against limits, and usage events for the bill."""
