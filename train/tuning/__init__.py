"""`edge6g tune`: values of the rules.

tune        the command: which way a rule is searched, what it says in the end
by_descent  `static` and `restricted`: coordinate descent (`descent`) from several starts (`points`) with races on paired seeds
by_search   `tuned` and every rule with parameters: searches (`train.search`) from several starts (`starts`)
"""
