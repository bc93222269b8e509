"""Pages of HTML in one file: for the explorer, and for the report of a run.

A page has sections, a section has blocks: texts, tables, listings, pictures.
"""

from einnet.pages.page import (
    Block,
    ErrorMessage,
    Listing,
    Picture,
    Section,
    Table,
    Text,
    draw_picture,
    read_picture,
    render_page,
    render_section,
    write_page,
)

__all__ = [
    "Block", "ErrorMessage", "Listing", "Picture", "Section", "Table", "Text", "draw_picture", "read_picture",
    "render_page", "render_section", "write_page",
]  # fmt: skip
