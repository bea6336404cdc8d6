"""The page in a browser: who may ask, and what is answered."""
