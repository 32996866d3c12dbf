"""The routes, by resource: each parses, calls the controller, renders."""
