"""What can be known of a configuration and its table without training; it writes nothing but a temporary folder."""
