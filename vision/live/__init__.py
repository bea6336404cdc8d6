"""Detection on live pictures: the window, the page in a browser, and labelling on it."""
