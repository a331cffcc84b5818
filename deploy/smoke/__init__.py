"""Exercise the Dockerfile where there is no container engine."""
