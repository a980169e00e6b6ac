"""The page's frame: HTML and CSS, with places for string.Template. A page allows itself no script and loads nothing, whatever text of users
it shows."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>$title: edge6g comparison</title>
<style>
:root { color-scheme: light dark; --ink: #212529; --soft: #6c757d; --line: #dee2e6; --page: #fff; --card: #f8f9fa;
  --learned: #c2410c; --own: #1971c2; --better: #2b8a3e; --worse: #c92a2a; --heat: 28 126 214 }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ecef; --soft: #9aa5b1; --line: #373d44; --page: #16191d;
  --card: #1f2429; --learned: #ff922b; --own: #4dabf7; --better: #69db7c; --worse: #ff8787; --heat: 77 171 247 }
  img { filter: invert(.91) hue-rotate(180deg) } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1240px;
  margin: 2.5rem auto; padding: 0 1.5rem }
h1 { font-size: 1.7rem; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .3rem }
h3 { font-size: 1rem; margin: 1.4rem 0 0 }
h3 small { font-weight: 400 }
p { margin: .3rem 0; max-width: 60rem; overflow-wrap: anywhere }
.lead { font-size: 1.1rem; margin: .4rem 0 }
.soft, small { color: var(--soft) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .9rem 0; font-size: .9rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: 1.1rem; margin-top: .8rem }
img { width: 100%; height: auto; display: block }
.first { max-width: 760px; margin-top: 1rem }
.scroll { overflow-x: auto; margin-top: .6rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .32rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap;
  vertical-align: top }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); font-weight: 500 }
thead th { border-bottom: 2px solid var(--line); font-weight: 600 }
th.learned { color: var(--learned) }
th.own { color: var(--own) }
th.planner, th.privileged { font-style: italic }
td small { display: block; font-size: .76rem; line-height: 1.15; font-weight: 400 }
tbody tr:hover td { background: var(--card) }
td.better { color: var(--better); font-weight: 600 }
td.worse { color: var(--worse) }
td.unclear { color: var(--soft) }
td.better::before { content: "\\2713\\00a0" }
td.worse::before { content: "\\2717\\00a0" }
table.heat { width: auto }
.heat th, .heat td { padding: .25rem .55rem }
.heat td, .heat tbody tr:hover td { background: rgb(var(--heat) / calc(var(--s) * .75)); min-width: 2.6rem }
.heat td small { color: inherit; opacity: .8 }
.heat td.none { color: var(--soft) }
.heat .group { border-left: 6px solid var(--page) }
.heat th.group[colspan] { text-align: left }
.busy th small { display: block; font-weight: 400; font-size: .72rem; white-space: normal; max-width: 5.2rem; margin-left: auto }
details { margin-top: .7rem }
summary { cursor: pointer; color: var(--soft) }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
  white-space: pre-wrap; overflow-wrap: anywhere }
.absent { display: none }
@media (max-width: 640px) { body { margin: 1rem auto; padding: 0 .8rem; font-size: 14px } h1 { font-size: 1.3rem }
  th, td { padding: .28rem .45rem } th:first-child { white-space: normal; min-width: 6.2rem; max-width: 8.2rem; overflow-wrap: anywhere }
  dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .3rem } }
</style></head><body>
<p class="soft">edge6g comparison</p>
<h1>$title</h1>
<p class="lead">$headline</p>
$origins
<p class="soft">$basis</p>
<dl>$facts</dl>
<section class="$difference_class">
<div class="first">$first_panel</div>
<h2>Paired difference to $best, the best rule</h2>
<p class="soft">Policy less $best, seed by seed: interquartile mean [95 % interval], of a group of
checkpoints mean and interval over training seeds. \u2713 better and \u2717 worse,
with an interval clear of 0; grey: not told apart.</p>
$differences
</section>
<section class="$limits_class">
<h2>Reward and limits</h2>
<p class="soft">What a job costs in the mean, and below it the limit with which the policy was trained: \u2713 met, \u2717 not met.</p>
$limits
</section>
<h2>Metrics</h2>
<div class="panels">$panels</div>
<h2>Time to first token</h2>
<p class="soft">Share of all measured jobs, those of all seeds together, that have their first token by a time. A job that never had one is
below the line, so a line may end below 100 %. Upright: the objective.</p>
<div class="panels">$first_tokens</div>
<h2>By service</h2>
<p class="soft">Over the measured jobs of all seeds together. SLO and reward are of all jobs, TTFT and TPOT of those that finished.</p>
$services
<h2>Decisions</h2>
<p class="soft">How often each value is taken, in % of the decisions in which the column means something: reject of all decisions, the
others of the jobs that run, the edge split of those that go elsewhere. n1: the first neighbour.</p>
$decisions
<section class="$busy_class">
<h2>Busy nodes</h2>
<p class="soft">Share of the episodes in which a node's accelerator computed prompts, training or tokens, in %.</p>
$busy
</section>
<h2>All metrics</h2>
<p class="soft">Interquartile mean [95 % interval] over the seeds. Hold the pointer over a name for its meaning.</p>
$metrics
<h2>What the intervals say</h2>
<p>$note</p>
$look
<h2>Make it again</h2>
<pre>$command</pre>
<p class="soft">The scenario as it was played is in scenario.toml, every measured job in jobs.csv.gz.</p>
</body></html>
"""

POLICY = PAGE[PAGE.index("<meta http-equiv") : PAGE.index("<title>")]  # these two are what other pages share
STYLE = PAGE[PAGE.index("<style>") : PAGE.index("</head>")]
