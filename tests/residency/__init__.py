"""Regions: where the rows, files, jobs and logs of a tenant are."""
