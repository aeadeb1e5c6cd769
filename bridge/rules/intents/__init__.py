"""Intents: what a text is about, learnt from examples.

`features` is what a model sees of a text, `fit` trains, `train` makes and judges a model, `model` scores texts,
`understanding` decides by the scores, `tables` and `compile` are the rules file's side. NumPy is imported where a rules
file has intents, and nowhere else.
"""
