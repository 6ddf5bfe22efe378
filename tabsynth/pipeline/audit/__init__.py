"""The privacy audit of the installed program: it plays both worlds itself and needs nobody's data.

1. ``transcript.py``   noise sources that record a run and answer another one alike; what a model asked, to ask it again
2. ``tables.py``       tables made to break a guarantee, and their neighbours
3. ``replay.py``       layer 1: same answers, same questions, no more change than was booked
4. ``sampling.py``     layer 2: the noise has the booked distribution, and nothing but the operating system decides it
5. ``evidence.py``     what error rates of a distinguisher prove about epsilon
6. ``distinguish.py``  layer 3: the best test for one person's presence, on the worst pair of tables
7. ``black_box.py``    layer 4: the same question from the model file and synthetic rows alone
8. ``run.py``          all of it

What each layer can and cannot see, and what was measured: the card ``privacy/audit.md``.
"""
