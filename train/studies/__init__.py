"""`edge6g study`: an algorithm on several training seeds.

study       the command: folder, progress, what it says in the end
arms        what it trains; `cells`: as processes that go on where they stopped
evaluation  what was trained, and the rules, on the same unseen seeds; `results`: intervals; `report`: tables, page
curves      learning curves of several seeds with bands
"""
