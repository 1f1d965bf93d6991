"""What the record costs, measured against frameworks that keep none. `make bench`; README.md says how to read it.

Not part of the package that is shipped. Must never report a figure of work that was not done.
"""
