"""replay.html: recordings of one seed as a page to look at, nothing in it loaded from elsewhere.

paths       ways of UEs, as few points as say where they were
film        recordings as the page reads them: facts and arrays
embed       facts and arrays inside a page, safely
page        the file; `template/` has its HTML, CSS and JavaScript
"""

from eval.replay.page import write_replay as write_replay
