"""The groups of methods a client has, each written once for both clients."""
