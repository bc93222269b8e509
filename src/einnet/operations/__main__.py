"""`python -m einnet.operations`: computes the catalogue of minimal sets and writes it."""

from einnet.files import write_whole
from einnet.operations.catalogue import FILE, format_catalogue

if __name__ == "__main__":
    with write_whole(FILE) as temporary:
        temporary.write_text(format_catalogue(), encoding="utf-8")
