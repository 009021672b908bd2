"""A DICOM node: studies come in, the served model reads them, answers go out as DICOM objects.

`node` ties the rest together: `listener` takes studies in, `spool` and `journal` keep them and how
far each has come, `commitment` tells senders which are safe, `rules` choose series, `reading` asks
the model, `report` and `capture` make the answers, and `delivery` sends them.
"""
