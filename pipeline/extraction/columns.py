"""The rows that the pass over a page writes: one for each block of text, one for each block element."""

from __future__ import annotations

# Columns of a block.
START, END, ELEMENT, LINK_BYTES, LINKS, KIND = range(6)
PLAIN, VERBATIM, ROW = range(3)  # kinds of block

# Columns of an element. FIRST and LAST bound its blocks; GROUP is a hash of its tag and class; ORDER its place among
# its parent's items; WORDS and WORDS_END bound the hashes of the words of its class, id, role and itemprop.
PARENT, ELEMENT_TAG, FIRST, LAST, DEPTH, GROUP, WORDS, WORDS_END, ORDER, FLAGS = range(10)
IS_HIDDEN, HAS_HEADER, HAS_TABLE = 1, 2, 4  # flags; the last two of tables
