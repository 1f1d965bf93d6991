"""What every killed process needs, imported once by the process that they are all forked from."""

from trackrecord.record.pricing import price_table

from tests.crash import story

price_table()
story.worker()
