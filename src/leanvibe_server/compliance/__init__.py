"""Privacy: what people may ask for, proved: export, erasure, consent, retention, the record."""
