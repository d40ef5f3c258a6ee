"""Sign-in by OpenID Connect: this installation as a relying party."""
