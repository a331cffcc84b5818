"""One module for each file format; `burnish.data.readers` chooses among them."""
