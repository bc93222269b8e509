"""Pages of HTML that hold everything they show: for the explorer, and for the report of a run.

A page has sections, a section has blocks: texts, tables, listings, pictures.
"""

from einnet.pages.blocks import Block, Listing, Picture, Section, Table, Text, Wrong, drawn, picture_of
from einnet.pages.render import fragment, page, write_page

__all__ = [
    "Block",
    "Listing",
    "Picture",
    "Section",
    "Table",
    "Text",
    "Wrong",
    "drawn",
    "fragment",
    "page",
    "picture_of",
    "write_page",
]
