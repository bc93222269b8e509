"""`python -m einnet.operations`: computes the catalogue of minimal sets and writes it."""

from einnet.files import write_text
from einnet.operations.catalogue import FILE, format_catalogue

if __name__ == "__main__":
    write_text(FILE, format_catalogue())
