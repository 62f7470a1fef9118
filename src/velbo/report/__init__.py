"""Pictures of trained models, and one page with all that is to be known of one (extra `report`).

subject.py          a model and rows, and what is computed of them, once
pictures.py         paper, ink, colours
cells.py            which cells pictures show, and their values as text
plots.py            every picture by its name: its table says which apply to what
learning.py latents.py reconstructions.py samples.py columns.py missingness.py calibration.py residuals.py
examination.py      what the doctor's findings rest on
html.py             elements, all text escaped; the style of the page
sections.py         what the page says, section by section
page.py             the page
"""
