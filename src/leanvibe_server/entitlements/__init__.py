"""What a tenant may use now: limits by plan."""
