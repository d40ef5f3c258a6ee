"""The ground floor: knows no customer, invoice or task."""
