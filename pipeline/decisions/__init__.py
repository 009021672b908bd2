"""People's decisions about models: prepared, written down, carried out, and recorded as done.

Until a decision is written down nothing of it can be seen, and what was prepared is nobody's. From
then on it is decided: ML Metadata holds it as a running execution, with all that it changes of
where models stand, in one transaction. What is left is to give a prepared folder its name and to
say that this is done. Whoever holds the work folder next finishes what was cut off there.
"""
