"""The pages as HTML: one file each, complete in itself, without a script and without a request. Pure, like `pages`.

Every character of every page passes through `element`, which escapes it; nothing else here writes a tag.
"""
