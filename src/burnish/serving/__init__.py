"""Answer over HTTP with saved models: engines, the queue before them, the routes."""
