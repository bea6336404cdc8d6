"""Picture files: reading, headers, checking that they are whole, drawing."""
