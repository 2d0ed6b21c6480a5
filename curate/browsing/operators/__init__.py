"""What the plugin can do, an operator a file."""
